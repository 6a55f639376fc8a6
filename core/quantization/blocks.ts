/**
 * 4-bit integers with one scale a block of consecutive weights of a column, in the float32 arithmetic and packing of ONNX Runtime's
 * `quantize_matmul_4bits`, for MatMulNBits.
 */

export interface QuantizedBlocks {
  /** [columns, blocks, blockSize / 2]: two integers 0 to 15 a byte, the first in its low half. */
  readonly values: Uint8Array;
  /** [columns, blocks]; 0 for a block of zeros. */
  readonly scales: Float32Array;
  /** [columns, ceil(blocks / 2)], packed as the values; undefined when symmetric: it is 8 everywhere. */
  readonly zeroPoints: Uint8Array | undefined;
  readonly blockCount: number;
}

const MIDDLE = 8;
const HIGHEST = 15;

interface BlockParameters {
  readonly scale: number;
  readonly zeroPoint: number;
}

/**
 * Quantizes a matrix block by block along its rows; the last block of a column may be shorter.
 *
 * @param weights row-major [rows, columns], finite
 */
export function quantizeBlocks(
  weights: Float32Array,
  { rows, columns }: { readonly rows: number; readonly columns: number },
  { blockSize, isSymmetric }: { readonly blockSize: number; readonly isSymmetric: boolean },
): QuantizedBlocks {
  const blockCount = Math.ceil(rows / blockSize);
  const values = new Uint8Array((columns * blockCount * blockSize) / 2);
  const scales = new Float32Array(columns * blockCount);
  const zeroPointBytes = Math.ceil(blockCount / 2);
  const zeroPoints = isSymmetric ? undefined : new Uint8Array(columns * zeroPointBytes);
  // ONNX Runtime fills the half byte behind an odd number of blocks with the middle.
  if (zeroPoints && blockCount % 2 === 1) {
    for (let column = 1; column <= columns; column++) zeroPoints[column * zeroPointBytes - 1] = MIDDLE << 4;
  }
  const choose = isSymmetric ? symmetric : asymmetric;
  for (let column = 0; column < columns; column++) {
    for (let block = 0; block < blockCount; block++) {
      const end = Math.min(rows, (block + 1) * blockSize);
      let low = 0;
      let high = 0;
      for (let row = block * blockSize; row < end; row++) {
        const value = weights[row * columns + column]!;
        if (value < low) low = value;
        if (value > high) high = value;
      }
      const at = column * blockCount + block;
      const { scale, zeroPoint } = choose(low, high);
      scales[at] = scale;
      if (zeroPoints) zeroPoints[column * zeroPointBytes + (block >> 1)]! |= zeroPoint << (4 * (block & 1));
      const reciprocal = scale === 0 ? 0 : Math.fround(1 / scale);
      for (let row = block * blockSize; row < end; row++) {
        const shifted = Math.fround(Math.fround(weights[row * columns + column]! * reciprocal) + zeroPoint);
        const place = row - block * blockSize;
        values[(at * blockSize + place) >> 1]! |= clamp(roundHalfAway(shifted)) << (4 * (place & 1));
      }
    }
  }
  return { values, scales, zeroPoints, blockCount };
}

/** The value of largest magnitude becomes 0, so that its sign decides that of the scale and 15 steps are left on the other side. */
function symmetric(low: number, high: number): BlockParameters {
  return { scale: Math.fround((high > -low ? high : low) / -MIDDLE), zeroPoint: MIDDLE };
}

function asymmetric(low: number, high: number): BlockParameters {
  const scale = Math.fround(Math.fround(high - low) / HIGHEST);
  return { scale, zeroPoint: scale === 0 ? 0 : clamp(roundHalfAway(Math.fround(-low / scale))) };
}

/** C's roundf. */
const roundHalfAway = (value: number): number => Math.sign(value) * Math.floor(Math.abs(value) + 0.5);

const clamp = (value: number): number => Math.min(Math.max(value, 0), HIGHEST);
