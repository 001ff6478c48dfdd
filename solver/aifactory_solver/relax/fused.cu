// One iteration of `pdhg.py` in three kernels. The enumerators that name arrays and sizes stand before this
// text; `fused.py` writes them. No atomics: sums are trees and loops in a fixed order, the same every time.
//
// A thread of a block that loops `for (i = threadIdx.x; i < n; i += blockDim.x)` owns those i in every loop,
// so what it wrote itself it may read without waiting. The numbers of threads are powers of two.

extern __shared__ float shared[];

struct Here {
    const unsigned long long* arrays;
    const int* sizes;
    __device__ float* floats(int name) const { return (float*)arrays[name]; }
    __device__ const int* ints(int name) const { return (const int*)arrays[name]; }
};

// The sum over a block's threads, in every one of them. `sums` has room for one value of each.
__device__ float total(float value, float* sums)
{
    sums[threadIdx.x] = value;
    __syncthreads();
    for (unsigned int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) sums[threadIdx.x] += sums[threadIdx.x + half];
        __syncthreads();
    }
    const float all = sums[0];
    __syncthreads();
    return all;
}

// Block (chunk of demands, scenario): x steps, and what rows and norms need of it is summed.
extern "C" __global__ void step(const unsigned long long* arrays, const int* sizes)
{
    const Here at = {arrays, sizes};
    const int demands = sizes[DEMANDS], offers = sizes[OFFERS], rows = sizes[ROWS], bands = sizes[BANDS];
    const long long n = blockIdx.y, chunk = blockIdx.x, chunks = gridDim.x;
    const int first = (int)chunk * sizes[CHUNK];
    const int last = first + sizes[CHUNK] < demands ? first + sizes[CHUNK] : demands;
    const float* gain = at.floats(GAIN);
    const int* band = at.ints(BAND);
    const float* weight = at.floats(WEIGHT) + n * bands;
    const float* dual = at.floats(DUAL_HERE) + n * rows;
    const float* rent = dual + demands;
    const float* floor = dual + rows - bands;
    const float omega = at.floats(CONTROL)[n * CONTROLS + OMEGA];
    float* column = shared;
    float* sums = shared + offers;
    for (int u = threadIdx.x; u < offers; u += blockDim.x) column[u] = 0.0f;
    float moved = 0.0f, far = 0.0f;
    for (int d = first; d < last; d++) {
        const float worth = dual[d] - floor[band[d]], value = weight[band[d]];
        float served = 0.0f;
        for (int u = threadIdx.x; u < offers; u += blockDim.x) {
            const float g = gain[(long long)d * offers + u];
            if (g > 0.0f) {  // what no unit may use stays 0
                const long long i = (n * demands + d) * offers + u;
                const float here = at.floats(X_HERE)[i], reach = 2.0f * g + 1.0f;
                const float slope = g * worth + rent[u] - value * g;
                const float there = fmaxf(here - slope / (reach * omega), 0.0f);
                const float delta = there - here, away = there - at.floats(X_ANCHOR)[i];
                at.floats(X_THERE)[i] = there;
                served += g * (there + delta);
                column[u] += there + delta;
                moved += reach * delta * delta;
                far += reach * away * away;
            }
        }
        served = total(served, sums);
        if (threadIdx.x == 0) at.floats(SERVED)[n * demands + d] = served;
    }
    for (int u = threadIdx.x; u < offers; u += blockDim.x)
        at.floats(TAKEN)[(n * chunks + chunk) * offers + u] = column[u];
    moved = total(moved, sums);
    far = total(far, sums);
    if (threadIdx.x == 0) {
        at.floats(MOVED)[n * chunks + chunk] = moved;
        at.floats(FAR)[n * chunks + chunk] = far;
    }
}

// Block (scenario): z and the duals step, whether to restart is decided, and both go on.
extern "C" __global__ void decide(const unsigned long long* arrays, const int* sizes)
{
    const Here at = {arrays, sizes};
    const int demands = sizes[DEMANDS], offers = sizes[OFFERS], rows = sizes[ROWS], bands = sizes[BANDS];
    const int pairs = sizes[PAIRS], domains = sizes[DOMAINS], depth = sizes[DEPTH], chunks = sizes[CHUNKS];
    const long long n = blockIdx.x;
    const int slots = demands + offers, watts = rows - bands - domains, floors = rows - bands;
    float* control = at.floats(CONTROL) + n * CONTROLS;
    float* sums = shared;
    const float omega = control[OMEGA], age = control[AGE], before = control[BEFORE];
    const float done = control[DONE] + 1.0f;
    float* dual_here = at.floats(DUAL_HERE) + n * rows;
    float* dual_there = at.floats(DUAL_THERE) + n * rows;
    float* dual_anchor = at.floats(DUAL_ANCHOR) + n * rows;
    float* z_here = at.floats(Z_HERE) + n * pairs;
    float* z_there = at.floats(Z_THERE) + n * pairs;
    float* z_anchor = at.floats(Z_ANCHOR) + n * pairs;
    float moved = 0.0f, far = 0.0f, dual_moved = 0.0f, dual_far = 0.0f;

    for (int l = threadIdx.x; l < pairs; l += blockDim.x) {
        float above = 0.0f;
        for (int j = 0; j < depth; j++) {
            const int k = at.ints(CHAIN)[l * depth + j];
            if (k < domains) above += dual_here[watts + k];
        }
        const float slope = dual_here[slots + at.ints(PAIR_CELL)[l]] - dual_here[demands + at.ints(PAIR_OFFER)[l]]
            + at.floats(PAIR_WATTS)[l] * above;
        const float reach = at.floats(Z_REACH)[l];
        const float there = fmaxf(z_here[l] - slope / (reach * omega), 0.0f);
        const float delta = there - z_here[l], away = there - z_anchor[l];
        z_there[l] = there;
        moved += reach * delta * delta;
        far += reach * away * away;
    }
    for (int c = threadIdx.x; c < chunks; c += blockDim.x) {
        moved += at.floats(MOVED)[n * chunks + c];
        far += at.floats(FAR)[n * chunks + c];
    }
    __syncthreads();  // all of z is there

    const float* served = at.floats(SERVED) + n * demands;
    float* load = at.floats(LOAD) + n * bands;
    for (int b = 0; b < bands; b++) {
        float mine = 0.0f;
        for (int d = threadIdx.x; d < demands; d += blockDim.x)
            if (at.ints(BAND)[d] == b) mine += served[d];
        mine = total(mine, sums);
        if (threadIdx.x == 0) load[b] = -mine;
    }
    __syncthreads();
    for (int r = threadIdx.x; r < rows; r += blockDim.x) {
        float ahead = r < demands ? served[r] : r >= floors ? load[r - floors] : 0.0f;
        if (r >= demands && r < floors) {
            if (r < slots)
                for (int c = 0; c < chunks; c++) ahead += at.floats(TAKEN)[(n * chunks + c) * offers + r - demands];
            const int* start = at.ints(START) + r - demands;
            for (int i = start[0]; i < start[1]; i++) {
                const int l = at.ints(ELEMENT)[i];
                ahead += at.floats(FACTOR)[i] * (2.0f * z_there[l] - z_here[l]);
            }
        }
        const float reach = at.floats(ROW_REACH)[r], here = dual_here[r];
        float there = fmaxf(here + (ahead - at.floats(SIDE)[n * rows + r]) * omega / reach, 0.0f);
        if (r >= floors) there = fminf(there, MISSED);
        const float delta = there - here, away = there - dual_anchor[r];
        dual_there[r] = there;
        dual_moved += reach * delta * delta;
        dual_far += reach * away * away;
    }
    moved = total(moved, sums);
    far = total(far, sums);
    dual_moved = total(dual_moved, sums);
    dual_far = total(dual_far, sums);

    // Every thread decides the same.
    const float residual = sqrtf(omega * moved + dual_moved / omega);
    const float first = age == 0.0f ? residual : control[FIRST];
    bool restart = residual <= SUFFICIENT * first || age >= LONG * done;
    restart = (restart || (residual <= NECESSARY * first && residual > before)) && age > 0.0f;
    const float a = (age + 1.0f) / (age + 2.0f);
    __syncthreads();  // all have read
    if (threadIdx.x == 0) {
        if (restart && far > TINY && dual_far > TINY)
            control[OMEGA] = sqrtf(omega * sqrtf((dual_far + TINY) / (far + TINY)));
        control[FIRST] = first;
        control[BEFORE] = restart ? 0.0f : residual;
        control[AGE] = restart ? 0.0f : age + 1.0f;
        control[DONE] = done;
        control[SHARE] = restart ? -1.0f : a;
    }
    for (int l = threadIdx.x; l < pairs; l += blockDim.x) {
        z_here[l] = restart ? z_there[l] : a * (2.0f * z_there[l] - z_here[l]) + (1.0f - a) * z_anchor[l];
        if (restart) z_anchor[l] = z_there[l];
    }
    for (int r = threadIdx.x; r < rows; r += blockDim.x) {
        dual_here[r] = restart ? dual_there[r]
                               : a * (2.0f * dual_there[r] - dual_here[r]) + (1.0f - a) * dual_anchor[r];
        if (restart) dual_anchor[r] = dual_there[r];
    }
}

// Block (part of x, scenario): x goes on.
extern "C" __global__ void onward(const unsigned long long* arrays, const int* sizes)
{
    const Here at = {arrays, sizes};
    const long long n = blockIdx.y, size = (long long)sizes[DEMANDS] * sizes[OFFERS];
    const float a = at.floats(CONTROL)[n * CONTROLS + SHARE];
    const float* gain = at.floats(GAIN);
    float* here = at.floats(X_HERE) + n * size;
    const float* there = at.floats(X_THERE) + n * size;
    float* anchor = at.floats(X_ANCHOR) + n * size;
    for (long long i = blockIdx.x * blockDim.x + threadIdx.x; i < size; i += (long long)gridDim.x * blockDim.x)
        if (gain[i] > 0.0f) {
            here[i] = a < 0.0f ? there[i] : a * (2.0f * there[i] - here[i]) + (1.0f - a) * anchor[i];
            if (a < 0.0f) anchor[i] = there[i];
        }
}
