# Signals between processes, and handlers that fork. Needs a C library that runs handlers.
trap 'echo got TERM' TERM
trap 'echo got USR1; x=$(echo from a handler | cat); echo "$x"' USR1
kill -TERM $$
echo after TERM
kill -USR1 $$
echo after USR1
(trap 'echo child got TERM; exit 6' TERM; kill -TERM $(exec sh -c 'echo $PPID'); echo never)
echo "status $?"
(trap - TERM; kill -TERM $(exec sh -c 'echo $PPID'); echo never)
echo "status $?"
trap '' USR1
kill -USR1 $$
echo ignored
{ echo background | cat; exit 3; } &
wait $!
echo "waited $?"
(exit 4) &
first=$!
(exit 5) &
wait $first
echo "first $?"
wait
echo "all $?"
{ while :; do echo y; done; } | { read -r line; echo "$line"; }
echo "the writer died of SIGPIPE"
trap 'echo bye' EXIT
