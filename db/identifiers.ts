import { randomBytes } from "node:crypto";

/**
 * A UUIDv7 (RFC 9562): its first 48 bits are milliseconds since 1970, so that new rows go to the end of an index. An
 * identifier only; order and time of rows are the database's.
 */
export function createId(): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** When an id that starts with a UUIDv7 was made, or null for any other id. */
export function timeOfId(id: string): Date | null {
  const found = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab]/i.exec(id);
  return found ? new Date(Number.parseInt(`${found[1]}${found[2]}`, 16)) : null;
}
