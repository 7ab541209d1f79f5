/* Attention: sequences (time, width), whose columns are divided among the heads. */

#include <math.h>

/* Turn the columns j and j + d/2 of each head in rows of x, ``stride`` apart, by angles; the table has their cosines, then sines. */
static void rotate(float *x, const float *table, int rows, int stride, int heads, int d)
{
    for (int row = 0; row < rows; row++, x += stride, table += d)
        for (int h = 0; h < heads; h++)
            for (int j = 0; j < d / 2; j++) {
                float *first = x + h * d + j, *second = first + d / 2;
                const float a = *first, b = *second, c = table[j], s = table[d / 2 + j];
                *first = a * c - b * s;
                *second = a * s + b * c;
            }
}

/* y (t, width) = what the positions of x (t, width) read in source (s, features), except where mask (s) is 0. */
static void attention(const float *x, const float *source, const float *mask, float *y, const float *Wq, const float *bq, const float *Wkv, const float *bkv, const float *Wo, const float *bo, const float *table, float *scratch, int t, int s, int width, int features, int heads, int causal, int rotary)
{
    const int d = width / heads;
    const float scale = 1.0f / sqrtf((float)d);
    float *q = scratch, *kv = q + t * width, *means = kv + 2 * s * width, *scores = means + t * width;
    dense(x, q, Wq, bq, t, width, width);
    dense(source, kv, Wkv, bkv, s, features, 2 * width);
    if (rotary) {
        rotate(q, table, t, width, heads, d);
        rotate(kv, table, s, 2 * width, heads, d);
    }
    for (int i = 0; i < t; i++)
        for (int h = 0; h < heads; h++) {
            const float *query = q + i * width + h * d, *key = kv + h * d, *value = key + width;
            const int count = causal ? i + s - t + 1 : s;
            float *mean = means + i * width + h * d, largest = -INFINITY, sum = 0.0f;
            for (int c = 0; c < d; c++)
                mean[c] = 0.0f;
            for (int j = 0; j < count; j++)
                if (mask[j] != 0.0f) {
                    float product = 0.0f;
                    for (int c = 0; c < d; c++)
                        product += query[c] * key[j * 2 * width + c];
                    scores[j] = product * scale;
                    largest = scores[j] > largest ? scores[j] : largest;
                }
            for (int j = 0; j < count; j++)
                if (mask[j] != 0.0f) {
                    const float weight = expf(scores[j] - largest);
                    sum += weight;
                    for (int c = 0; c < d; c++)
                        mean[c] += weight * value[j * 2 * width + c];
                }
            for (int c = 0; c < d && sum != 0.0f; c++)
                mean[c] /= sum;
        }
    dense(means, y, Wo, bo, t, width, width);
}
