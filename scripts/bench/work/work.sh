# CPU-bound work for a shell: loops, functions, expansions; no process is started.
is_prime() {
  n=$1
  d=2
  while [ $((d * d)) -le "$n" ]; do
    [ $((n % d)) -eq 0 ] && return 1
    d=$((d + 1))
  done
  return 0
}
count=0
text=
for a in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  i=0
  text=
  while [ $i -lt "$limit" ]; do
    i=$((i + 1))
    if is_prime $((a * 100 + i)); then count=$((count + 1)); fi
    case $i in
      *7) text=${text#?}x ;;
      *) text="${text%%yyyyyyyyyyyyyyyy*}y" ;;
    esac
  done
done
echo "$count ${#text}"
