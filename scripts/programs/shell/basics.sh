# One of each: a pipeline, a subshell with a status, a command substitution.
echo a | cat
(exit 3)
echo $?
x=$(echo sub)
echo $x
