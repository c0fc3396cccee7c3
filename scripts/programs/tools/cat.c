// cat without options: what the shell scripts put at the ends of their pipelines.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int copy(int in) {
  char buffer[4096];
  ssize_t n;
  while ((n = read(in, buffer, sizeof buffer)) > 0)
    for (ssize_t done = 0; done < n;) {
      ssize_t w = write(1, buffer + done, n - done);
      if (w < 0) return 1;
      done += w;
    }
  return n < 0;
}

int main(int argc, char **argv) {
  if (argc < 2) return copy(0);
  int status = 0;
  for (int i = 1; i < argc; i++) {
    int in = strcmp(argv[i], "-") ? open(argv[i], O_RDONLY) : 0;
    if (in < 0 || copy(in)) {
      perror(argv[i]);
      status = 1;
    }
    if (in > 0) close(in);
  }
  return status;
}
