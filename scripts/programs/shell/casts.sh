# bash undoes what a function did by handlers of several types.
f() {
  local x=1
  echo "$x"
}
f
