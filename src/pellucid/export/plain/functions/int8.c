/* Dense layers and convolutions with weights of 8 bits. Their input is rounded to 8 bits as well: x = x_scale q with the integers
   q from -127 to 127, which are in the scratch memory. The products are added as integers of 32 bits. */

#include <math.h>
#include <stdint.h>

/* q = x / scale, rounded, limited to -127 ... 127. */
static void quantize(const float *x, signed char *q, int n, float scale)
{
    const float factor = 1.0f / scale;
    for (int i = 0; i < n; i++) {
        const float value = x[i] * factor;
        q[i] = (signed char)lrintf(value > 127.0f ? 127.0f : value < -127.0f ? -127.0f : value);
    }
}

/* The sum of the products a b. */
static int32_t dot_int8(const signed char *a, const signed char *b, int n)
{
    int32_t sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* y = x W + b for each of the rows of x. W (outputs, inputs) is scale times the integers, with one scale for each output. */
static void dense_int8(const float *x, float *y, const signed char *W, const float *scale, const float *b, float *scratch,
                       int rows, int inputs, int outputs, float x_scale)
{
    signed char *q = (signed char *)scratch;
    for (int row = 0; row < rows; row++, x += inputs, y += outputs) {
        quantize(x, q, inputs, x_scale);
        for (int o = 0; o < outputs; o++)
            y[o] = b[o] + x_scale * scale[o] * (float)dot_int8(q, W + o * inputs, inputs);
    }
}

/* Convolves an image (h, w, c) with the kernels W (filters, kh, kw, c / groups), which are scale times the integers, with one
   scale for each filter: y (oh, ow, filters). */
static void conv2d_int8(const float *x, float *y, const signed char *W, const float *scale, const float *b, float *scratch,
                        int h, int w, int c, int oh, int ow, int filters,
                        int kh, int kw, int sh, int sw, int top, int left, int dh, int dw, int groups, float x_scale)
{
    const int cg = c / groups, fg = filters / groups;
    signed char *image = (signed char *)scratch;
    quantize(x, image, h * w * c, x_scale);
    for (int p = 0; p < oh; p++)
        for (int q = 0; q < ow; q++, y += filters) {
            const int column = q * sw - left;
            int first = 0, last = kw; /* the taps inside the image */
            while (first < last && column + first * dw < 0)
                first++;
            while (last > first && column + (last - 1) * dw >= w)
                last--;
            for (int f = 0; f < filters; f++) {
                const signed char *taps = W + f * kh * kw * cg;
                int32_t sum = 0;
                for (int i = 0; i < kh; i++, taps += kw * cg) {
                    const int row = p * sh - top + i * dh;
                    if (row < 0 || row >= h || first == last)
                        continue;
                    const signed char *pixel = image + (row * w + column) * c + f / fg * cg;
                    if (groups == 1 && dw == 1)
                        sum += dot_int8(pixel + first * c, taps + first * c, (last - first) * c);
                    else
                        for (int j = first; j < last; j++)
                            sum += dot_int8(pixel + j * dw * c, taps + j * cg, cg);
                }
                y[f] = b[f] + x_scale * scale[f] * (float)sum;
            }
        }
}
