# Pipelines, subshells and substitutions inside one another, with loops and functions around them.
say() { echo "$1:$#:$2"; }
count() { n=0; while read -r line; do n=$((n + 1)); done; echo "$n"; }

echo "--- long pipelines"
echo one | cat | cat | cat | cat | cat | cat
for i in 1 2 3 4 5; do echo "$i"; done | while read -r v; do echo "v$v"; done | cat | count

echo "--- pipelines in loops"
for i in a b c; do
  for j in 1 2; do
    echo "$i$j" | cat
  done | { read -r first; read -r second; echo "$first+$second"; }
done

echo "--- nested subshells"
x=outer
(x=first; (x=second; (x=third; echo $x; exit 7); echo "$x $?"; exit 8); echo "$x $?")
echo "$x $?"

echo "--- nested substitutions"
echo "$(echo "$(echo "$(echo deep | cat) er" | cat) est")"
v=$(say "$(say a b)" "$(say c d)")
echo "$v"

echo "--- substitution in every place"
case $(echo yes) in y*) echo matched ;; *) echo not ;; esac
[ "$(echo 5)" -eq 5 ] && echo "test $(echo ok)"
for w in $(echo p; echo q; echo r); do printf '%s,' "$w"; done
echo
set -- $(echo x y z)
echo "$# $2 ${3:-$(echo unused)} ${4:-$(echo default)}"
echo $(( $(echo 6) * $(echo 7) ))

echo "--- recursion with a process at each level"
down() {
  if [ "$1" -gt 0 ]; then (echo "down $1"; down $(($1 - 1))); else echo bottom | cat; fi
}
down 6
fact() { if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(fact $(($1 - 1))))); fi; }
fact 10

echo "--- statuses"
true | false
echo $?
false | true
echo $?
! (exit 1)
echo $?
(exit 200) || echo "status $?"
y=$(exit 9)
echo $?

echo "--- redirections"
{ echo to file; echo again; } > out.txt
cat < out.txt | count
(echo more) >> out.txt
cat out.txt
echo error >&2 2>/dev/null | cat
exec 3> three.txt
(echo in child >&3)
echo in parent >&3
exec 3>&-
cat three.txt
