/* Input stages: checks of the input, and its conversion to the scale that the network was trained on. */

#include <math.h>

/* y = x / 255 for pixels from 0 to 255. Returns 1 for NaN and infinity. */
static int scale_bytes(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return 1;
        y[i] = x[i] * (1.0f / 255.0f);
    }
    return 0;
}

/* y = x. Returns 1 for NaN and infinity. */
static int check_numbers(const float *x, float *y, int n)
{
    for (int i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return 1;
        y[i] = x[i];
    }
    return 0;
}

/* y = z / sqrt(1 + (z / limit)^2) of z = (x - center) / scale for the n values of a row; a limit of 0 is none. With fill_missing, a
   missing value (NaN) becomes 0. Returns 1 for NaN and infinity. */
static int scale_robustly(const float *x, float *y, const double *center, const double *scale, const double *limit, int n, int fill_missing)
{
    for (int i = 0; i < n; i++) {
        const int missing = fill_missing && isnan(x[i]);
        double z = missing ? 0.0 : (x[i] - center[i]) / scale[i];
        if (limit[i] > 0.0)
            z /= hypot(1.0, z / limit[i]);
        y[i] = (float)z;
        if (!isfinite(y[i]))
            return 1;
    }
    return 0;
}

/* y = (x - mean) / scale, column by column; with fill_missing, a missing value (NaN) has the mean of its column.
   Returns 1 for NaN and infinity. */
static int standardize(const float *x, float *y, const double *mean, const double *scale, int rows, int columns, int fill_missing)
{
    for (int row = 0; row < rows; row++)
        for (int i = 0; i < columns; i++) {
            const float value = x[row * columns + i];
            const int missing = fill_missing && isnan(value);
            const float standard = missing ? 0.0f : (float)((value - mean[i]) / scale[i]);
            if (!isfinite(standard))
                return 1;
            y[row * columns + i] = standard;
        }
    return 0;
}
