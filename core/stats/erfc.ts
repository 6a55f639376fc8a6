import { polynomial } from "./polynomial.ts";

/**
 * Complementary error function, 1 - erf(x), for any finite x; relative error below 1e-15 also far in the tail.
 *
 * NaN gives NaN, +Infinity 0, -Infinity 2. Source: the rational approximations of fdlibm's `s_erf.c` (Sun Microsystems,
 * 1993). Checked against SciPy's `erfc` through `normalCdf`.
 */
export function erfc(x: number): number {
  const size = Math.abs(x);
  if (size < 0.84375) return 1 - (x + x * (polynomial(NEAR_TOP, x * x) / polynomial(NEAR_BOTTOM, x * x)));
  const upper = size < 1.25 ? aroundOne(size) : tail(size);
  return x < 0 ? 2 - upper : upper;
}

/** erf(1) rounded to few bits, so that subtracting it is exact. */
const ERF_ONE = 8.450629115104675e-1;

function aroundOne(size: number): number {
  const s = size - 1;
  return 1 - ERF_ONE - polynomial(MIDDLE_TOP, s) / polynomial(MIDDLE_BOTTOM, s);
}

function tail(size: number): number {
  if (size > 28) return 0;
  if (Number.isNaN(size)) return Number.NaN;
  const s = 1 / (size * size);
  const ratio =
    size < 1 / 0.35
      ? polynomial(TAIL_TOP, s) / polynomial(TAIL_BOTTOM, s)
      : polynomial(FAR_TOP, s) / polynomial(FAR_BOTTOM, s);
  // exp(-x²) with x split, because the rounding of x² alone would cost a dozen digits far out.
  const rounded = Math.fround(size);
  return (Math.exp(-rounded * rounded - 0.5625) * Math.exp((rounded - size) * (rounded + size) + ratio)) / size;
}

const NEAR_TOP = [
  1.2837916709551256e-1, -3.250421072470015e-1, -2.848174957559851e-2, -5.770270296489442e-3, -2.3763016656650163e-5,
];
const NEAR_BOTTOM = [
  1, 3.9791722395915535e-1, 6.50222499887673e-2, 5.081306281875766e-3, 1.3249473800432164e-4, -3.960228278775368e-6,
];
const MIDDLE_TOP = [
  -2.3621185607526594e-3, 4.1485611868374833e-1, -3.722078760357013e-1, 3.1834661990116175e-1, -1.1089469428239668e-1,
  3.5478304325618236e-2, -2.166375594868791e-3,
];
const MIDDLE_BOTTOM = [
  1, 1.0642088040084423e-1, 5.40397917702171e-1, 7.182865441419627e-2, 1.2617121980876164e-1, 1.363708391202905e-2,
  1.1984499846799107e-2,
];
const TAIL_TOP = [
  -9.864944034847148e-3, -6.938585727071818e-1, -1.0558626225323291e1, -6.2375332450326006e1, -1.6239666946257347e2,
  -1.8460509290671104e2, -8.12874355063066e1, -9.814329344169145,
];
const TAIL_BOTTOM = [
  1, 1.9651271667439257e1, 1.3765775414351904e2, 4.3456587747522923e2, 6.453872717332679e2, 4.2900814002756783e2,
  1.0863500554177944e2, 6.570249770319282, -6.04244152148581e-2,
];
const FAR_TOP = [
  -9.8649429247001e-3, -7.99283237680523e-1, -1.7757954917754752e1, -1.6063638485582192e2, -6.375664433683896e2,
  -1.0250951316110772e3, -4.835191916086514e2,
];
const FAR_BOTTOM = [
  1, 3.033806074348246e1, 3.257925129965739e2, 1.536729586084437e3, 3.1998582195085955e3, 2.5530504064331644e3,
  4.7452854120695537e2, -2.244095244658582e1,
];
