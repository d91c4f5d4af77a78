// CUDA's words for kernels without shared memory and barriers, so that a C++ compiler makes them run on a CPU.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>

#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(threads)
#define __restrict__ __restrict

struct dim3 {
  unsigned x, y, z;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};

static dim3 gridDim, blockDim, blockIdx, threadIdx;

template <typename Number>
static Number atomicAdd(Number* to, Number more) {
  const Number before = *to;
  *to += more;
  return before;
}

using std::max;
using std::min;

// Runs a kernel's body for every thread of every block, one after the other.
template <typename Body>
static void for_every_thread(const unsigned* grid, const unsigned* block, Body body) {
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; ++blockIdx.z)
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; ++blockIdx.y)
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; ++blockIdx.x)
        for (threadIdx.z = 0; threadIdx.z < blockDim.z; ++threadIdx.z)
          for (threadIdx.y = 0; threadIdx.y < blockDim.y; ++threadIdx.y)
            for (threadIdx.x = 0; threadIdx.x < blockDim.x; ++threadIdx.x) body();
}
