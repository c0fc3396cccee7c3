# Exit traps and errors: who runs them, and in which process.
trap 'echo "outer exit $?"' EXIT
(trap 'echo "inner exit $?"' EXIT; exit 4)
echo "after $?"
(echo "a subshell has no trap of its parent's"; exit 5)
echo "after $?"
x=$(trap 'echo substituted exit' EXIT; echo body)
echo "$x"
(set -e; false; echo never)
echo "after $?"
(set -u; echo "$unset_variable"; echo never) 2>/dev/null
echo "after $?"
(readonly r=1; r=2; echo never) 2>/dev/null
echo "after $?"
eval 'echo evaluated; (exit 6)'
echo "after $?"
. /dev/null
command echo commanded | cat
(cd /tmp && pwd)
pwd | { read -r d; [ "$d" != /tmp ] && echo elsewhere; }
f() { return 3; }
f | cat
f || echo "returned $?"
while true; do (exit 1) || break; done
exit 2
