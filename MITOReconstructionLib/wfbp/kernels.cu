// Weighted FBP on an NVIDIA GPU: what rebin.py and backproject.py do on a CPU, where the formulas and their sources are.
//
// wfbp/gpu.py has it compiled at run time (NVRTC). The tests compile it as C++ too and run it on a CPU, one thread of a
// block after the other: so no shared memory, no barriers, no exchange between threads. Needs LANES and VOXELS defined.
//
// Arrays are in C order: views (view, column, row), beams (beam, ray, row), volume (x, y, z). The last axis is where the
// threads of a warp lie, so that loads and stores are contiguous.

#define SOFTNESS 0.03f /* of the row weight, as backproject.py has it */
#define LEAST 1e-7f

// Put views into the ring, and move their rows up by shifts[view] * row_shifts[column] rows (cubic convolution).
// One thread for a pixel: x is the row, y the column, z the view.
extern "C" __global__ void place_views(const float* __restrict__ views, float* __restrict__ ring, const double* __restrict__ shifts,
                                       const double* __restrict__ row_shifts, int count, int columns, int rows, int first_slot,
                                       int capacity) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  const int column = blockIdx.y * blockDim.y + threadIdx.y;
  const int view = blockIdx.z;
  if (row >= rows || column >= columns || view >= count) return;
  const size_t slot = (first_slot + view) % capacity;
  const float* line = views + ((size_t)view * columns + column) * rows;
  float* out = ring + (slot * columns + column) * rows + row;
  const double shift = -shifts[view] * row_shifts[column];
  const int whole = (int)floor(shift);
  const float s = (float)(shift - whole);
  if (s == 0.0f) {
    *out = line[min(max(row + whole, 0), rows - 1)];
    return;
  }
  const float r = 1.0f - s;
  const float wa = -0.5f * s * r * r, wd = -0.5f * s * s * r;
  const float wb = 1.0f + s * s * (1.5f * s - 2.5f);
  const float wc = 1.0f - wa - wb - wd;
  const int at = row + whole;
  const float a = line[min(max(at - 1, 0), rows - 1)], b = line[min(max(at, 0), rows - 1)];
  const float c = line[min(max(at + 1, 0), rows - 1)], d = line[min(max(at + 2, 0), rows - 1)];
  *out = wa * a + wb * b + wc * c + wd * d;
}

// Sort views into parallel beams: linear in rotation angle, cubic along the columns, times the cone's cosine.
// One thread for a value of a beam: x is the row, y the ray, z the beam.
extern "C" __global__ void rebin(const float* __restrict__ ring, const double* __restrict__ positions, const int* __restrict__ taps,
                                 const float* __restrict__ weights, const float* __restrict__ cosine, float* __restrict__ beams,
                                 int count, int rays, int rows, int columns, int capacity) {
  const int row = blockIdx.x * blockDim.x + threadIdx.x;
  const int ray = blockIdx.y * blockDim.y + threadIdx.y;
  const int beam = blockIdx.z;
  if (row >= rows || ray >= rays || beam >= count) return;
  const double position = positions[(size_t)beam * rays + ray];
  const double whole = floor(position);
  const float later = (float)(position - whole), sooner = 1.0f - later;
  int first = (int)whole % capacity;
  if (first < 0) first += capacity;
  const int second = later > 0.0f ? (first + 1) % capacity : first;
  const size_t view = (size_t)columns * rows;
  const float* before = ring + first * view + row;
  const float* after = ring + second * view + row;
  float a = 0.0f, b = 0.0f;
  for (int k = 0; k < 4; ++k) {
    const size_t column = (size_t)taps[4 * ray + k] * rows;
    const float weight = weights[4 * ray + k];
    a += weight * before[column];
    b += weight * after[column];
  }
  beams[((size_t)beam * rays + ray) * rows + row] = cosine[(size_t)ray * rows + row] * (sooner * a + later * b);
}

// How a beam sees a column of voxels: q, a row's height over half the detector's, is start + step * (voxel - the first one).
struct Sight {
  int ray;
  float share, start, step;
};

// The plan in float32 for one grid; axial positions are relative to the height at which the grid's voxel 0 would be 0.
struct Plan {
  const float4* rays;  // of each ray: distance in mm to its point nearest to the axis, to the detector; fan angle in beams; 0
  const float* axial;  // source height in mm at each beam's angle
  int count;           // of rays
  int axial_first;     // beam + axial_first + axial_part is the index in ``axial`` of a beam's angle
  float axial_part, row_middle, per_half;  // mm, 1/mm
};

// False where the column lies behind the source. ``height`` is that of the first voxel in mm, ``z_step`` between voxels.
static __device__ __forceinline__ bool sees(const Plan& plan, float place, float depth, int beam, float height, float z_step,
                                            Sight& sight) {
  sight.ray = min((int)place, plan.count - 2);
  sight.share = place - (float)sight.ray;
  const float4 a = plan.rays[sight.ray], b = plan.rays[sight.ray + 1];
  const float reach = a.x + sight.share * (b.x - a.x);
  const float position = plan.axial_part + a.z + sight.share * (b.z - a.z);
  const float whole = floorf(position);
  const int index = beam + plan.axial_first + (int)whole;
  const float lower = plan.axial[index];
  const float source = lower + (position - whole) * (plan.axial[index + 1] - lower);
  const float along = reach + depth;
  if (along <= 1e-3f * reach) return false;
  const float scale = (a.y + sight.share * (b.y - a.y)) / along;
  sight.start = ((height - source) * scale - plan.row_middle) * plan.per_half;
  sight.step = z_step * scale * plan.per_half;
  return true;
}

static __device__ __forceinline__ float row_weight(float q) {
  const float s = q * q;
  float a = fmaxf(1.0f - s, 0.0f);
  a *= a;
  return a * a / (s + SOFTNESS) + LEAST;
}

// Add filtered beams to a volume, each voxel with its row's weight over the sum of those of all beams of the same direction
// that see it. One thread for VOXELS voxels of a column, LANES apart: x is z, y is y, z is x.
extern "C" __global__ void __launch_bounds__(256)
    backproject(float* __restrict__ volume, const float* __restrict__ beams, const float2* __restrict__ directions,
                const int2* __restrict__ partners, const float4* __restrict__ ray_table, const float* __restrict__ axial, int nx, int ny,
                int nz, double x_first, double x_step, double y_first, double y_step, float z_first, float z_step, int first_beam,
                int count, int all_beams, int half_turn, int rays, int rows, float theta_step, float t_offset, float per_t,
                int axial_first, float axial_part, float row_middle, float per_half, float limit) {
  const int iz = blockIdx.x * (LANES * VOXELS) + threadIdx.x;
  const int iy = blockIdx.y * blockDim.y + threadIdx.y;
  const int ix = blockIdx.z;
  if (ix >= nx || iy >= ny || iz >= nz) return;
  const Plan plan = {ray_table, axial, rays, axial_first, axial_part, row_middle, per_half};
  const float x = (float)(x_first + ix * x_step), y = (float)(y_first + iy * y_step);
  const float height = z_first + (float)iz * z_step, stride = (float)LANES * z_step;
  const float last_ray = (float)(rays - 1), last_row = (float)(rows - 1), half_rows = 0.5f * (float)rows;
  float sum[VOXELS];
#pragma unroll
  for (int j = 0; j < VOXELS; ++j) sum[j] = 0.0f;

  for (int number = 0; number < count; ++number) {
    const int beam = first_beam + number;
    const float2 direction = directions[beam];
    const float t = x * direction.x + y * direction.y, depth = y * direction.x - x * direction.y;
    const float place = t * per_t - t_offset;
    if (!(place >= 0.0f && place <= last_ray)) continue;
    Sight own;
    if (!sees(plan, place, depth, beam, height, stride, own)) continue;
    if (own.start > limit || own.start + (float)(VOXELS - 1) * own.step < -limit) continue;
    float weight[VOXELS], total[VOXELS];
#pragma unroll
    for (int j = 0; j < VOXELS; ++j) total[j] = weight[j] = row_weight(own.start + (float)j * own.step);

    const int2 range = partners[beam];
    for (int half = range.x; half < range.y; ++half) {
      const int other = beam + half * half_turn;
      if (half == 0 || other < 0 || other >= all_beams) continue;
      const float sign = half & 1 ? -1.0f : 1.0f;
      const float other_place = sign * t * per_t - t_offset;
      if (!(other_place >= 0.0f && other_place <= last_ray)) continue;
      Sight theirs;
      if (!sees(plan, other_place, sign * depth, other, height, stride, theirs)) continue;
      if (theirs.start > limit || theirs.start + (float)(VOXELS - 1) * theirs.step < -limit) continue;
#pragma unroll
      for (int j = 0; j < VOXELS; ++j) {
        const float q = theirs.start + (float)j * theirs.step;
        if (fabsf(q) <= limit) total[j] += row_weight(q);
      }
    }

    const float* left = beams + ((size_t)number * rays + own.ray) * rows;
    const float* right = left + rows;
#pragma unroll
    for (int j = 0; j < VOXELS; ++j) {
      const float q = own.start + (float)j * own.step;
      if (fabsf(q) > limit) continue;
      const float row = fminf(fmaxf(q * half_rows + (half_rows - 0.5f), 0.0f), last_row);
      const int below = (int)row, above = min(below + 1, rows - 1);
      const float low = left[below] + own.share * (right[below] - left[below]);
      const float high = left[above] + own.share * (right[above] - left[above]);
      sum[j] += weight[j] / total[j] * (low + (row - (float)below) * (high - low));
    }
  }

  float* out = volume + ((size_t)ix * ny + iy) * nz;
#pragma unroll
  for (int j = 0; j < VOXELS; ++j) {
    const int k = iz + j * LANES;
    if (k < nz && sum[j] != 0.0f) out[k] += theta_step * sum[j];
  }
}
