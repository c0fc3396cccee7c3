// Something for a compiler to optimise.
typedef unsigned int u32;
typedef unsigned char u8;
static u32 table[256];
static u32 mix(u32 a, u32 b) { return (a << 5 | a >> 27) ^ b * 0x9e3779b9u; }
#define ROUND(n)                                                       \
  u32 round##n(u8 *p, u32 size, u32 seed) {                            \
    u32 hash = seed + n;                                               \
    for (u32 i = 0; i < size; i++) {                                   \
      hash = mix(hash, table[(hash ^ p[i]) & 255] + n);                \
      if ((hash & 15) == n % 16) p[i] = (u8)(hash >> 3);               \
      switch (p[i] % 5) {                                              \
        case 0: hash += i; break;                                      \
        case 1: hash ^= size - i; break;                               \
        case 3: table[i & 255] = hash; break;                          \
      }                                                                \
    }                                                                  \
    return hash;                                                       \
  }
ROUND(1) ROUND(2) ROUND(3) ROUND(4) ROUND(5) ROUND(6) ROUND(7) ROUND(8)
u32 all(u8 *p, u32 n) {
  return round1(p, n, round2(p, n, 1)) + round3(p, n, round4(p, n, 2)) + round5(p, n, round6(p, n, 3)) + round7(p, n, round8(p, n, 4));
}
