# Work for a shell that is written in Rust: loops, arithmetic, expansions.
total=0
text=
for a in 1 2 3 4 5 6 7 8; do
  i=0
  while [ $i -lt 400 ]; do
    i=$((i + 1))
    total=$((total + a * i % 7))
    case $i in
      *7) text="x$i" ;;
      *) text="${text}y" ;;
    esac
  done
done
echo "$total ${#text}"
