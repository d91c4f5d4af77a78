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

// How beams see columns of voxels. q is a row's height over half the detector's: q = middle + step * (voxel - middle voxel).
// Tabulated, so that these divisions and look-ups are not done again for every few voxels of a column.

// The plan in float32 for one grid; heights are relative to the middle of the grid.
struct Plan {
  const float4* rays;  // of each ray: distance in mm to its point nearest to the axis, to the detector; fan angle in beams; 0
  const float* axial;  // source height in mm at each beam's angle
  int count;           // of rays
  int axial_first;     // beam + axial_first + axial_part is the index in ``axial`` of a beam's angle
  float axial_part, row_middle, per_half, z_step;  // mm, 1/mm, mm
};

// Of a beam's ray at ``place``, which lies share of the way from one ray to the next.
struct Ray {
  int number;
  float share, source, near, distance;  // mm: height of the source, in-plane distance to the point nearest to the axis, to the detector
};

static __device__ __forceinline__ Ray ray_at(const Plan& plan, float place, int beam) {
  const int number = min((int)place, plan.count - 2);
  const float share = place - (float)number;
  const float4 a = plan.rays[number], b = plan.rays[number + 1];
  const float position = plan.axial_part + a.z + share * (b.z - a.z);
  const float whole = floorf(position);
  const float* axial = plan.axial + (beam + plan.axial_first + (int)whole);
  const float source = axial[0] + (position - whole) * (axial[1] - axial[0]);
  return {number, share, source, a.x + share * (b.x - a.x), a.y + share * (b.y - a.y)};
}

// {middle, step, share of the second ray, first ray}; the last is negative where the beam does not see the column.
static __device__ __forceinline__ float4 sight(const Plan& plan, float place, float depth, int beam) {
  const float4 none = {0.0f, 0.0f, 0.0f, -1.0f};
  if (!(place >= 0.0f && place <= (float)(plan.count - 1))) return none;
  const Ray ray = ray_at(plan, place, beam);
  const float along = ray.near + depth;
  if (along <= 1e-3f * ray.near) return none;  // behind the source
  const float scale = ray.distance / along;
  const float4 found = {(-ray.source * scale - plan.row_middle) * plan.per_half, plan.z_step * scale * plan.per_half, ray.share,
                        (float)ray.number};
  return found;
}

// One thread for a column of voxels and a beam: x is y, y is x, z is the beam. ``own`` is (beam, x, y); ``others`` is
// (beam, partner, x, y), with {middle, step} of those beams half turns away that share voxels, or a step of 0.
extern "C" __global__ void tabulate_sights(float4* __restrict__ own, float2* __restrict__ others, const float2* __restrict__ directions,
                                           const int2* __restrict__ partners, const float4* __restrict__ ray_table,
                                           const float* __restrict__ axial, int nx, int ny, double x_first, double x_step,
                                           double y_first, double y_step, float z_step, int first_beam, int all_beams, int half_turn,
                                           int most_partners, int rays, float t_offset, float per_t, int axial_first, float axial_part,
                                           float row_middle, float per_half, float limit) {
  const int iy = blockIdx.x * blockDim.x + threadIdx.x;
  const int ix = blockIdx.y;
  const int number = blockIdx.z;
  if (ix >= nx || iy >= ny) return;
  const Plan plan = {ray_table, axial, rays, axial_first, axial_part, row_middle, per_half, z_step};
  const float x = (float)(x_first + ix * x_step), y = (float)(y_first + iy * y_step);
  const int beam = first_beam + number;
  const float2 direction = directions[beam];
  const float t = x * direction.x + y * direction.y, depth = y * direction.x - x * direction.y;
  const size_t column = (size_t)ix * ny + iy, columns = (size_t)nx * ny;
  const float4 mine = sight(plan, t * per_t - t_offset, depth, beam);
  own[number * columns + column] = mine;
  const int2 range = partners[beam];
  float2* out = others + number * most_partners * columns + column;
  int count = 0;
  for (int half = range.x; half < range.y; ++half) {
    const int other = beam + half * half_turn;
    if (half == 0 || other < 0 || other >= all_beams) continue;
    const float sign = half & 1 ? -1.0f : 1.0f;
    const float4 found = sight(plan, sign * t * per_t - t_offset, sign * depth, other);
    if (mine.w < 0.0f || found.w < 0.0f) continue;
    const float apart = fabsf(mine.x / mine.y - found.x / found.y);  // what lies farther apart has no voxels in common
    if (apart > limit / mine.y + limit / found.y + 1.0f) continue;
    out[count++ * columns] = {found.x, found.y};
  }
  for (; count < most_partners; ++count) out[count * columns] = {0.0f, 0.0f};
}

static __device__ __forceinline__ float row_weight(float q) {
  const float s = q * q;
  float a = fmaxf(1.0f - s, 0.0f);
  a *= a;
  return a * a * (1.0f / (s + SOFTNESS)) + LEAST;
}

// Add filtered beams to a volume, each voxel with its row's weight over the sum of those of all beams of the same direction
// that see it. One thread for VOXELS voxels of a column, LANES apart: x is z, y is y, z is x.
extern "C" __global__ void __launch_bounds__(256)
    backproject(float* __restrict__ volume, const float* __restrict__ beams, const float4* __restrict__ own,
                const float2* __restrict__ others, int nx, int ny, int nz, int count, int most_partners, int rays, int rows,
                float theta_step, float limit) {
  const int iz = blockIdx.x * (LANES * VOXELS) + threadIdx.x;
  const int iy = blockIdx.y * blockDim.y + threadIdx.y;
  const int ix = blockIdx.z;
  if (ix >= nx || iy >= ny || iz >= nz) return;
  const size_t column = (size_t)ix * ny + iy, columns = (size_t)nx * ny;
  const float z = (float)iz - 0.5f * (float)(nz - 1);
  const float half_rows = 0.5f * (float)rows, last_row = (float)(rows - 1) * 0.9999999f, last_pair = (float)max(rows - 2, 0);
  float sum[VOXELS];
#pragma unroll
  for (int j = 0; j < VOXELS; ++j) sum[j] = 0.0f;

  for (int number = 0; number < count; ++number) {
    const float4 mine = own[number * columns + column];
    if (mine.w < 0.0f) continue;
    const float q = mine.x + mine.y * z, step = (float)LANES * mine.y;
    if (q > limit || q + (float)(VOXELS - 1) * step < -limit) continue;
    float weight[VOXELS], total[VOXELS];
#pragma unroll
    for (int j = 0; j < VOXELS; ++j) {
      const float qj = q + (float)j * step;
      total[j] = weight[j] = fabsf(qj) <= limit ? row_weight(qj) : 0.0f;
    }
    const float2* other = others + number * most_partners * columns + column;
    for (int partner = 0; partner < most_partners; ++partner, other += columns) {
      const float2 theirs = *other;
      if (theirs.y == 0.0f) break;
      const float p = theirs.x + theirs.y * z, stride = (float)LANES * theirs.y;
      if (p > limit || p + (float)(VOXELS - 1) * stride < -limit) continue;
#pragma unroll
      for (int j = 0; j < VOXELS; ++j) {
        const float pj = p + (float)j * stride;
        if (weight[j] > 0.0f && fabsf(pj) <= limit) total[j] += row_weight(pj);
      }
    }

    const float* left = beams + ((size_t)number * rays + (int)mine.w) * rows;
    const float start = q * half_rows + (half_rows - 0.5f), rise = step * half_rows, share = mine.z;
#pragma unroll
    for (int j = 0; j < VOXELS; ++j) {
      if (weight[j] > 0.0f) {
        const float row = fminf(fmaxf(start + (float)j * rise, 0.0f), last_row);
        const float below = fminf(floorf(row), last_pair);
        const float* at = left + (int)below;
        const float low = at[0] + share * (at[rows] - at[0]);
        const float high = at[1] + share * (at[rows + 1] - at[1]);
        sum[j] += weight[j] * (1.0f / total[j]) * (low + (row - below) * (high - low));
      }
    }
  }

  float* out = volume + column * nz;
#pragma unroll
  for (int j = 0; j < VOXELS; ++j) {
    const int k = iz + j * LANES;
    if (k < nz && sum[j] != 0.0f) out[k] += theta_step * sum[j];
  }
}

// Set the voxels that some direction of half a turn does not see to a value, and count them for each x, as coverage.py does; in
// double precision, so that the same voxels are found. One thread for 32 voxels of a column: x is 32 voxels of z, y is y, z is x.
extern "C" __global__ void fill_unseen(float* __restrict__ volume, int* __restrict__ counts, const double2* __restrict__ directions,
                                       const double* __restrict__ reach, const double* __restrict__ distance,
                                       const double* __restrict__ fan_steps, const double* __restrict__ axial, int nx, int ny, int nz,
                                       double x_first, double x_step, double y_first, double y_step, double z_first, double z_step,
                                       int beams, int half_turn, int stride, int rays, double t_first, double t_step,
                                       double axial_offset, double row_middle, double row_reach, float value) {
  const int begin = 32 * (blockIdx.x * blockDim.x + threadIdx.x);
  const int iy = blockIdx.y * blockDim.y + threadIdx.y;
  const int ix = blockIdx.z;
  if (ix >= nx || iy >= ny || begin >= nz) return;
  const int end = min(begin + 32, nz);
  const unsigned all = end - begin == 32 ? 0xffffffffu : (1u << (end - begin)) - 1u;
  const double x = x_first + ix * x_step, y = y_first + iy * y_step;
  unsigned covered = all;
  for (int direction = 0; direction < half_turn && covered; direction += stride) {
    const double2 d = directions[direction];
    unsigned seen = 0u;
    double sign = 1.0;
    for (int beam = direction; beam < beams; beam += half_turn, sign = -sign) {
      const double place = (sign * (x * d.x + y * d.y) - t_first) / t_step;
      if (!(place >= 0.0 && place <= rays - 1)) continue;
      const int ray = min((int)place, rays - 2);
      const double share = place - ray;
      const double near = reach[ray] + share * (reach[ray + 1] - reach[ray]);
      const double along = near + sign * (y * d.x - x * d.y);
      if (along <= 1e-3 * near) continue;
      const double position = beam + axial_offset + fan_steps[ray] + share * (fan_steps[ray + 1] - fan_steps[ray]);
      const int index = (int)position;
      const double source = axial[index] + (position - index) * (axial[index + 1] - axial[index]);
      const double scale = (distance[ray] + share * (distance[ray + 1] - distance[ray])) / along;
      const double bottom = (source + (row_middle - row_reach) / scale - z_first) / z_step;
      const double top = (source + (row_middle + row_reach) / scale - z_first) / z_step;
      const int first = max((int)ceil(fmin(fmax(bottom, 0.0), (double)nz)), begin) - begin;
      const int last = min((int)floor(fmin(fmax(top, -1.0), nz - 1.0)) + 1, end) - begin;
      if (first >= last) continue;
      const unsigned below = last == 32 ? 0xffffffffu : (1u << last) - 1u;
      seen |= below & ~((1u << first) - 1u);
    }
    covered &= seen;
  }
  int unseen = 0;
  float* out = volume + ((size_t)ix * ny + iy) * nz + begin;
  for (int k = 0; k < end - begin; ++k) {
    if (covered >> k & 1u) continue;
    out[k] = value;
    ++unseen;
  }
  if (unseen) atomicAdd(counts + ix, unseen);
}

// ---- Planes, for live slices: what planes.py does on a CPU. A plane is nine numbers in mm: the centre of pixel (0, 0), relative to
// the middle of the scan's heights along z, and the steps to the neighbours along i and j; and its counts of pixels, n x m. Beams
// are 16-bit numbers, each beam with a scale.

// Which beams may see a tile of side x side pixels, by the test of plane_kernels.py: for each direction first and last (exclusive)
// number of half turns, and ``seeing`` set for each such beam. One thread for a direction (y), a tile (x) and a plane (z): of the
// blocks along y and z a launch has no more than 65,535.
extern "C" __global__ void mark_tiles(int2* __restrict__ ranges, int* __restrict__ seeing, const double* __restrict__ planes,
                                      const int2* __restrict__ shapes, const float2* __restrict__ directions,
                                      const float4* __restrict__ ray_table, const float* __restrict__ axial, int tiles, int across,
                                      int side, int all_beams, int half_turn, int rays, float t_offset, float per_t, int axial_first,
                                      float axial_part, float row_middle, float row_reach, float row_pitch, float least_distance) {
  const int direction = blockIdx.y * blockDim.x + threadIdx.x;
  const int tile = blockIdx.x, plane = blockIdx.z;
  const int i = tile / across * side, j = tile % across * side;
  const int2 shape = shapes[plane];
  if (direction >= half_turn) return;
  int2* range = ranges + ((size_t)plane * tiles + tile) * half_turn + direction;
  *range = {0, 0};
  if (i >= shape.x || j >= shape.y) return;
  const Plan plan = {ray_table, axial, rays, axial_first, axial_part, row_middle, 1.0f, 1.0f};
  const double* p = planes + 9 * (size_t)plane;
  const int height = min(side, shape.x - i) - 1, width = min(side, shape.y - j) - 1;
  int first = -1, last = 0;
  for (int half = 0; direction + half * half_turn < all_beams; ++half) {
    const int beam = direction + half * half_turn;
    const float2 d = directions[beam];
    float low = 1e30f, high = -1e30f, bottom = 1e30f, top = -1e30f, along = 0.0f, left = 1e30f, right = -1e30f;
    for (int corner = 0; corner < 5; ++corner) {  // the last one is the middle
      const double a = i + (corner == 4 ? 0.5 * height : (double)(height * (corner & 1)));
      const double b = j + (corner == 4 ? 0.5 * width : (double)(width * (corner >> 1)));
      const float x = (float)(p[0] + a * p[3] + b * p[6]), y = (float)(p[1] + a * p[4] + b * p[7]);
      const float z = (float)(p[2] + a * p[5] + b * p[8]), place = (x * d.x + y * d.y) * per_t - t_offset;
      const Ray ray = ray_at(plan, fminf(fmaxf(place, 0.0f), (float)(rays - 1)), beam);
      left = fminf(left, place), right = fmaxf(right, place);
      low = fminf(low, ray.source), high = fmaxf(high, ray.source);
      bottom = fminf(bottom, z), top = fmaxf(top, z);
      along = fmaxf(along, ray.near + y * d.x - x * d.y);
    }
    if (right < -1e-3f || left > (float)rays - 0.999f) continue;
    const float reach = 1.1f * (row_reach + fabsf(row_middle)) * along / least_distance + 0.1f * (high - low) + row_pitch;
    if (bottom - high > reach || low - top > reach) continue;
    if (first < 0) first = half;
    last = half + 1;
    seeing[beam] = 1;
  }
  if (first >= 0) *range = {first, last};
}

// Add directions ``first`` to ``last`` (exclusive), ``share`` of them to the sums of each part, for tiles of 2^bits x 2^bits pixels; a
// direction is the mean of its beams within ``ready``, each with its row's weight; those without a slot count for the weights alone.
// Every ``stride``-th direction, where that is not 0, a pixel that it does not see becomes unseen. 256 threads of a block are 16 x 16
// pixels, those of a warp 4 x 8, so that it touches few rays however the plane lies; x is such a patch, ``patches`` of them along j, and z
// the plane and the part.
extern "C" __global__ void __launch_bounds__(256)
    add_planes(float* __restrict__ sums, int* __restrict__ unseen, const short* __restrict__ values, const float* __restrict__ scales,
               const int* __restrict__ slots, const int2* __restrict__ ranges, const double* __restrict__ planes,
               const int2* __restrict__ shapes, const float2* __restrict__ directions, const float4* __restrict__ ray_table,
               const float* __restrict__ axial, int pixels, int tiles, int across, int bits, int patches, int parts, int share,
               int first, int last, int stride, int ready_first, int ready_last, int half_turn, int rows, int rays, float t_offset,
               float per_t, int axial_first, float axial_part, float row_middle, float per_half, float limit, float theta_step) {
  const int thread = threadIdx.x, patch = blockIdx.x, plane = blockIdx.z / parts, part = blockIdx.z % parts;
  const int i = 16 * (patch / patches) + 4 * (thread >> 6) + (thread >> 3 & 3);
  const int j = 16 * (patch % patches) + 8 * (thread >> 5 & 1) + (thread & 7);
  const int2 shape = shapes[plane];
  if (i >= shape.x || j >= shape.y) return;
  const Plan plan = {ray_table, axial, rays, axial_first, axial_part, row_middle, per_half, 1.0f};
  const double* p = planes + 9 * (size_t)plane;
  const float x = (float)(p[0] + i * p[3] + j * p[6]), y = (float)(p[1] + i * p[4] + j * p[7]);
  const float z = (float)(p[2] + i * p[5] + j * p[8]);
  const float half_rows = 0.5f * (float)rows, last_row = (float)(rows - 1) * 0.9999999f, last_ray = (float)(rays - 1);
  const int last_pair = max(rows - 2, 0);
  const size_t beam_size = (size_t)rays * rows;
  const int2* range = ranges + ((size_t)plane * tiles + (i >> bits) * across + (j >> bits)) * half_turn;
  const int begin = first + part * share, end = min(begin + share, last);
  float sum = 0.0f;
  bool seen = true;
  for (int direction = begin; direction < end; ++direction) {
    const int2 halves = range[direction];
    const float2 d = directions[direction];
    const float t = x * d.x + y * d.y, depth = y * d.x - x * d.y;
    float total = 0.0f, weights = 0.0f;
    for (int half = halves.x; half < halves.y; ++half) {
      const int beam = direction + half * half_turn;
      if (beam < ready_first || beam >= ready_last) continue;
      const float sign = half & 1 ? -1.0f : 1.0f;
      const float place = sign * t * per_t - t_offset;
      if (!(place >= 0.0f && place <= last_ray)) continue;
      const Ray ray = ray_at(plan, place, beam);
      const float along = ray.near + sign * depth, q = ((z - ray.source) * (ray.distance / along) - row_middle) * per_half;
      if (along <= 1e-3f * ray.near || fabsf(q) > limit) continue;  // behind the source, or beside the detector
      const float weight = row_weight(q);
      weights += weight;
      const int slot = slots[beam];
      if (slot < 0) continue;
      const float row = fminf(fmaxf(q * half_rows + (half_rows - 0.5f), 0.0f), last_row);
      const int below = min((int)row, last_pair);
      const short* at = values + slot * beam_size + (ray.number * rows + below);
      const float left = (float)at[0], right = (float)at[rows], low = left + ray.share * (right - left);
      const float above = (float)at[1], beyond = (float)at[rows + 1], high = above + ray.share * (beyond - above);
      total += weight * scales[slot] * (low + (row - (float)below) * (high - low));
    }
    if (weights > 0.0f) sum += total * (1.0f / weights);
    else if (stride > 0 && direction % stride == 0) seen = false;
  }
  const size_t pixel = (size_t)i * shape.y + j;
  sums[((size_t)plane * parts + part) * pixels + pixel] += theta_step * sum;
  if (!seen) unseen[(size_t)plane * pixels + pixel] = 1;
}

// The images of planes: the sum of their parts, or ``value`` where a direction did not see a pixel. One thread for a pixel (x) of a
// plane (y).
extern "C" __global__ void finish_planes(float* __restrict__ images, const float* __restrict__ sums, const int* __restrict__ unseen,
                                         int pixels, int parts, float value) {
  const int pixel = blockIdx.x * blockDim.x + threadIdx.x, plane = blockIdx.y;
  if (pixel >= pixels) return;
  float sum = 0.0f;
  for (int part = 0; part < parts; ++part) sum += sums[((size_t)plane * parts + part) * pixels + pixel];
  images[(size_t)plane * pixels + pixel] = unseen[(size_t)plane * pixels + pixel] ? value : sum;
}
