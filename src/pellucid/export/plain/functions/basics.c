/* Dense layers, embeddings, changes of shape, and merges. */

#include <math.h>
#include <string.h>

/* y += x W for x (inputs), W (inputs, outputs) and y (outputs). The rows of W are stride numbers apart.
   Four rows at a time, so that y is read and written once for four products; the loop over the outputs is vectorized. */
static void add_product(const float *restrict x, const float *restrict W, float *restrict y, int inputs, int outputs, int stride)
{
    int i = 0;
    for (; i + 4 <= inputs; i += 4, W += 4 * stride) {
        const float x0 = x[i], x1 = x[i + 1], x2 = x[i + 2], x3 = x[i + 3];
        const float *restrict W1 = W + stride, *restrict W2 = W1 + stride, *restrict W3 = W2 + stride;
        for (int o = 0; o < outputs; o++)
            y[o] += x0 * W[o] + x1 * W1[o] + x2 * W2[o] + x3 * W3[o];
    }
    for (; i < inputs; i++, W += stride)
        for (int o = 0; o < outputs; o++)
            y[o] += x[i] * W[o];
}

/* y = x W + b for each of the rows of x. */
static void dense(const float *x, float *y, const float *W, const float *b, int rows, int inputs, int outputs)
{
    for (int row = 0; row < rows; row++, x += inputs, y += outputs) {
        memcpy(y, b, (size_t)outputs * sizeof(float));
        add_product(x, W, y, inputs, outputs, outputs);
    }
}

/* y = the rows of W (entries, width) at the n integers in x. Returns 1 if one of them is not an integer from 0 to entries - 1. */
static int embedding(const float *x, float *y, const float *W, int n, int entries, int width)
{
    for (int i = 0; i < n; i++) {
        if (!(x[i] >= 0.0f && x[i] < (float)entries) || x[i] != floorf(x[i]))
            return 1;
        memcpy(y + i * width, W + (int)x[i] * width, (size_t)width * sizeof(float));
    }
    return 0;
}

/* y = x times the transpose of W (entries, width), for each of the rows of x. */
static void unembedding(const float *x, float *y, const float *W, int rows, int width, int entries)
{
    for (int row = 0; row < rows; row++, x += width, y += entries)
        for (int k = 0; k < entries; k++) {
            float sum = 0.0f;
            for (int i = 0; i < width; i++)
                sum += x[i] * W[k * width + i];
            y[k] = sum;
        }
}

/* Copies rows of width numbers from x to y. The starts of the rows are x_stride and y_stride numbers apart. */
static void copy_rows(const float *x, float *y, int rows, int width, int x_start, int x_stride, int y_start, int y_stride)
{
    for (int row = 0; row < rows; row++)
        memcpy(y + y_start + row * y_stride, x + x_start + row * x_stride, (size_t)width * sizeof(float));
}

/* y = 0. */
static void fill_zero(float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = 0.0f;
}

/* y (n0, n1, n2, n3) = x with its axes in another order: s0 to s3 are the strides of x along the axes of y. */
static void permute(const float *x, float *y, int n0, int n1, int n2, int n3, int s0, int s1, int s2, int s3)
{
    for (int i = 0; i < n0; i++)
        for (int j = 0; j < n1; j++)
            for (int k = 0; k < n2; k++)
                for (int l = 0; l < n3; l++)
                    *y++ = x[i * s0 + j * s1 + k * s2 + l * s3];
}

/* y = the steps of x (steps, width) in reverse order. */
static void reverse(const float *x, float *y, int steps, int width)
{
    for (int t = 0; t < steps; t++)
        memcpy(y + t * width, x + (steps - 1 - t) * width, (size_t)width * sizeof(float));
}

/* y = scale x + offset. */
static void rescale(const float *x, float *y, int n, float scale, float offset)
{
    for (int i = 0; i < n; i++)
        y[i] = scale * x[i] + offset;
}

/* y = a + b. */
static void add(const float *a, const float *b, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

/* y = a - b. */
static void subtract(const float *a, const float *b, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

/* y = a b, value by value. */
static void multiply(const float *a, const float *b, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

/* y = the larger one of a and b, value by value. */
static void maximum(const float *a, const float *b, float *y, int n)
{
    for (int i = 0; i < n; i++)
        y[i] = a[i] > b[i] ? a[i] : b[i];
}
