/* Layers for images (height, width, channels). Sequences (time, channels) are images of one row. */

#include <string.h>

/* Convolves an image (h, w, c) with the kernels W (kh, kw, c / groups, filters): y (oh, ow, filters).
   The taps of a row of the kernel are neighbours in x and in W, unless there are groups or a dilation: one product. */
static void conv2d(const float *x, float *y, const float *W, const float *b, int h, int w, int c, int oh, int ow, int filters,
                   int kh, int kw, int sh, int sw, int top, int left, int dh, int dw, int groups)
{
    const int cg = c / groups, fg = filters / groups;
    for (int p = 0; p < oh; p++)
        for (int q = 0; q < ow; q++, y += filters) {
            memcpy(y, b, (size_t)filters * sizeof(float));
            const int column = q * sw - left;
            int first = 0, last = kw; /* the taps inside the image */
            while (first < last && column + first * dw < 0)
                first++;
            while (last > first && column + (last - 1) * dw >= w)
                last--;
            if (first == last)
                continue;
            for (int i = 0; i < kh; i++) {
                const int row = p * sh - top + i * dh;
                if (row < 0 || row >= h)
                    continue;
                if (groups == 1 && dw == 1) {
                    add_product(x + (row * w + column + first) * c, W + (i * kw + first) * c * filters, y,
                                (last - first) * c, filters, filters);
                    continue;
                }
                for (int j = first; j < last; j++)
                    for (int g = 0; g < groups; g++)
                        add_product(x + (row * w + column + j * dw) * c + g * cg, W + (i * kw + j) * cg * filters + g * fg,
                                    y + g * fg, cg, fg, filters);
            }
        }
}

/* Convolves each channel of an image (h, w, c) with a kernel of its own, W (kh, kw, c): y (oh, ow, c). */
static void depthwise_conv2d(const float *x, float *y, const float *W, const float *b, int h, int w, int c, int oh, int ow,
                             int kh, int kw, int sh, int sw, int top, int left, int dh, int dw)
{
    for (int p = 0; p < oh; p++)
        for (int q = 0; q < ow; q++, y += c) {
            memcpy(y, b, (size_t)c * sizeof(float));
            for (int i = 0; i < kh; i++) {
                const int row = p * sh - top + i * dh;
                if (row < 0 || row >= h)
                    continue;
                for (int j = 0; j < kw; j++) {
                    const int column = q * sw - left + j * dw;
                    if (column < 0 || column >= w)
                        continue;
                    const float *pixel = x + (row * w + column) * c, *tap = W + (i * kw + j) * c;
                    for (int k = 0; k < c; k++)
                        y[k] += pixel[k] * tap[k];
                }
            }
        }
}

/* The transposed convolution of an image (h, w, c) with the kernels W (kh, kw, c / groups, filters): y (oh, ow, filters).
   Pixel (p, q) of x is added to y at (p sh - top + i dh, q sw - left + j dw), times the tap (i, j). */
static void conv_transpose2d(const float *x, float *y, const float *W, const float *b, int h, int w, int c, int oh, int ow, int filters,
                             int kh, int kw, int sh, int sw, int top, int left, int dh, int dw, int groups)
{
    const int cg = c / groups, fg = filters / groups;
    for (int row = 0; row < oh; row++)
        for (int column = 0; column < ow; column++, y += filters) {
            memcpy(y, b, (size_t)filters * sizeof(float));
            for (int i = 0; i < kh; i++) {
                const int down = row + top - i * dh;
                if (down < 0 || down % sh || down / sh >= h)
                    continue;
                for (int j = 0; j < kw; j++) {
                    const int across = column + left - j * dw;
                    if (across < 0 || across % sw || across / sw >= w)
                        continue;
                    for (int g = 0; g < groups; g++)
                        add_product(x + (down / sh * w + across / sw) * c + g * cg, W + (i * kw + j) * cg * filters + g * fg,
                                    y + g * fg, cg, fg, filters);
                }
            }
        }
}

/* y (oh, ow, c) = the maximum of each window of x (h, w, c), in which padding is ignored. */
static void max_pool(const float *x, float *y, int h, int w, int c, int oh, int ow,
                     int kh, int kw, int sh, int sw, int top, int left)
{
    for (int p = 0; p < oh; p++)
        for (int q = 0; q < ow; q++, y += c) {
            int empty = 1;
            for (int i = 0; i < kh; i++) {
                const int row = p * sh - top + i;
                if (row < 0 || row >= h)
                    continue;
                for (int j = 0; j < kw; j++) {
                    const int column = q * sw - left + j;
                    if (column < 0 || column >= w)
                        continue;
                    const float *pixel = x + (row * w + column) * c;
                    if (empty)
                        memcpy(y, pixel, (size_t)c * sizeof(float));
                    else
                        for (int k = 0; k < c; k++)
                            y[k] = pixel[k] > y[k] ? pixel[k] : y[k];
                    empty = 0;
                }
            }
        }
}

/* y (oh, ow, c) = the mean of each window of x (h, w, c), in which padding is not counted. */
static void average_pool(const float *x, float *y, int h, int w, int c, int oh, int ow,
                         int kh, int kw, int sh, int sw, int top, int left)
{
    for (int p = 0; p < oh; p++)
        for (int q = 0; q < ow; q++, y += c) {
            int count = 0;
            for (int k = 0; k < c; k++)
                y[k] = 0.0f;
            for (int i = 0; i < kh; i++) {
                const int row = p * sh - top + i;
                if (row < 0 || row >= h)
                    continue;
                for (int j = 0; j < kw; j++) {
                    const int column = q * sw - left + j;
                    if (column < 0 || column >= w)
                        continue;
                    const float *pixel = x + (row * w + column) * c;
                    for (int k = 0; k < c; k++)
                        y[k] += pixel[k];
                    count++;
                }
            }
            for (int k = 0; k < c; k++)
                y[k] /= (float)count;
        }
}

/* y = the mean of each channel over all positions. */
static void global_average_pool(const float *x, float *y, int positions, int channels)
{
    for (int c = 0; c < channels; c++)
        y[c] = 0.0f;
    for (int p = 0; p < positions; p++, x += channels)
        for (int c = 0; c < channels; c++)
            y[c] += x[c];
    for (int c = 0; c < channels; c++)
        y[c] /= (float)positions;
}

/* y = the maximum of each channel over all positions. */
static void global_max_pool(const float *x, float *y, int positions, int channels)
{
    memcpy(y, x, (size_t)channels * sizeof(float));
    for (int p = 1; p < positions; p++)
        for (int c = 0; c < channels; c++)
            y[c] = x[p * channels + c] > y[c] ? x[p * channels + c] : y[c];
}

/* y (h fh, w fw, c) = x (h, w, c), in which each pixel is repeated along both axes. */
static void enlarge(const float *x, float *y, int h, int w, int c, int fh, int fw)
{
    for (int row = 0; row < h * fh; row++)
        for (int column = 0; column < w * fw; column++, y += c)
            memcpy(y, x + (row / fh * w + column / fw) * c, (size_t)c * sizeof(float));
}

/* The position (p + 1/2) / factor - 1/2 of output p, limited to 0 ... size - 1: returns the pixel before it, and its distance. */
static int position_of(int p, int factor, int size, float *distance)
{
    const float at = ((float)p + 0.5f) / (float)factor - 0.5f;
    const int pixel = at < 0.0f ? 0 : (int)at;
    *distance = at < 0.0f || pixel >= size - 1 ? 0.0f : at - (float)pixel;
    return pixel < size - 1 ? pixel : size - 1;
}

/* y (h fh, w fw, c) = x (h, w, c), interpolated linearly along both axes. */
static void interpolate(const float *x, float *y, int h, int w, int c, int fh, int fw)
{
    for (int row = 0; row < h * fh; row++)
        for (int column = 0; column < w * fw; column++, y += c) {
            float down, across;
            const int i = position_of(row, fh, h, &down), j = position_of(column, fw, w, &across);
            const int below = i + 1 < h ? w * c : 0, right = j + 1 < w ? c : 0;
            const float *pixel = x + (i * w + j) * c;
            for (int k = 0; k < c; k++) {
                const float upper = (1.0f - across) * pixel[k] + across * pixel[k + right];
                const float lower = (1.0f - across) * pixel[k + below] + across * pixel[k + below + right];
                y[k] = (1.0f - down) * upper + down * lower;
            }
        }
}
