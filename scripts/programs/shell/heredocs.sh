# Here-documents: the shell forks to feed those that don't fit into a pipe, and expands some.
name=world
cat <<END
hello $name
sum $((1 + 2)) and $(echo substituted | cat)
END
cat <<'END'
literal $name $(echo no)
END
cat <<-END | while read -r a b; do echo "$b $a"; done
	one two
	three four
	END
(cat <<ONE; cat <<TWO) | cat
first
ONE
second $(cat <<THREE
third
THREE
)
TWO
f() {
  cat <<END
argument $1
END
}
f one | cat
for i in 1 2; do
  f "$i" <<END
unread
END
done
read -r a b <<END
left right
END
echo "$b,$a"
long=
i=0
while [ $i -lt 200 ]; do
  long="$long a line of some length, to make a document that is longer than a pipe's atomic write $i"
  i=$((i + 1))
done
cat <<END | { read -r all; echo ${#all}; }
$long
END
