// Halves are rounded to the even neighbour, as Python and NumPy do.
export function roundHalfToEven(value) {
  const floor = Math.floor(value), rest = value - floor;
  return rest < 0.5 || (rest === 0.5 && floor % 2 === 0) ? floor : floor + 1;
}
