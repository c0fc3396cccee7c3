# Other work for a shell than work.sh: text, words, here-documents, arguments.
reverse() {
  out=
  for word; do out="$word $out"; done
}
i=0
total=0
while [ $i -lt $((limit * 20)) ]; do
  i=$((i + 1))
  set -- a$i b$((i % 7)) "c d" e f
  reverse "$@"
  path=/usr/lib/$out/file.$i.txt
  base=${path##*/}
  stem=${base%.*}
  while read -r first rest; do
    total=$((total + ${#first} + ${#rest}))
  done <<END
$stem $out
x$i
END
done
echo "$total $stem"
