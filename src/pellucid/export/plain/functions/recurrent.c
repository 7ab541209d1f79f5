/* Recurrent layers. A cell computes the next state (parts, units) from an input (features) and the state, in place. */

#include <math.h>
#include <string.h>

typedef void cell(const float *x, float *state, const float *W, const float *U, const float *b, float *scratch, int features, int units);

/* h = tanh(x W + h U + b). */
static void simple_rnn_step(const float *x, float *state, const float *W, const float *U, const float *b, float *scratch, int features, int units)
{
    memcpy(scratch, b, (size_t)units * sizeof(float));
    add_product(x, W, scratch, features, units, units);
    add_product(state, U, scratch, units, units, units);
    for (int k = 0; k < units; k++)
        state[k] = tanhf(scratch[k]);
}

/* i, f, g, o = x W + h U + b; c = sigmoid(f) c + sigmoid(i) tanh(g); h = sigmoid(o) tanh(c). */
static void lstm_step(const float *x, float *state, const float *W, const float *U, const float *b, float *scratch, int features, int units)
{
    float *h = state, *c = state + units;
    const float *i = scratch, *f = i + units, *g = f + units, *o = g + units;
    memcpy(scratch, b, 4 * (size_t)units * sizeof(float));
    add_product(x, W, scratch, features, 4 * units, 4 * units);
    add_product(h, U, scratch, units, 4 * units, 4 * units);
    for (int k = 0; k < units; k++) {
        c[k] = sigmoid_of(f[k]) * c[k] + sigmoid_of(i[k]) * tanhf(g[k]);
        h[k] = sigmoid_of(o[k]) * tanhf(c[k]);
    }
}

/* r, z = sigmoid(x W + h U + b); n = tanh(x Wn + bn + r (h Un + bh)); h = (1 - z) n + z h. bh follows b. */
static void gru_step(const float *x, float *state, const float *W, const float *U, const float *b, float *scratch, int features, int units)
{
    float *from_x = scratch, *from_h = scratch + 3 * units;
    memcpy(from_x, b, 3 * (size_t)units * sizeof(float));
    add_product(x, W, from_x, features, 3 * units, 3 * units);
    memset(from_h, 0, 2 * (size_t)units * sizeof(float));
    memcpy(from_h + 2 * units, b + 3 * units, (size_t)units * sizeof(float));
    add_product(state, U, from_h, units, 3 * units, 3 * units);
    for (int k = 0; k < units; k++) {
        const float r = sigmoid_of(from_x[k] + from_h[k]), z = sigmoid_of(from_x[units + k] + from_h[units + k]);
        const float n = tanhf(from_x[2 * units + k] + r * from_h[2 * units + k]);
        state[k] = (1.0f - z) * n + z * state[k];
    }
}

/* Applies a cell to all steps of x (steps, features), from the state start (parts, units) on. y = h after every step if
   every_step is 1, then that many parts of the last state. If masked is 1, steps whose features all equal mask are skipped;
   their output is zero. */
static void apply_over_time(const float *x, const float *start, float *y, cell *step, const float *W, const float *U, const float *b, float *scratch,
                            int steps, int features, int units, int parts, int every_step, int returned, int masked, float mask)
{
    float *state = scratch, *rest = scratch + parts * units;
    memcpy(state, start, (size_t)(parts * units) * sizeof(float));
    for (int t = 0; t < steps; t++, x += features) {
        int present = !masked;
        for (int k = 0; k < features && !present; k++)
            present = x[k] != mask;
        if (present)
            step(x, state, W, U, b, rest, features, units);
        if (every_step) {
            for (int k = 0; k < units; k++)
                y[k] = present ? state[k] : 0.0f;
            y += units;
        }
    }
    memcpy(y, state, (size_t)(returned * units) * sizeof(float));
}
