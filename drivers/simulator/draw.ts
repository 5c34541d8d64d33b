/** A number in [0, 1) that depends on nothing but its arguments, so that every run meets the same weather. */
export function draw(seed: number, ...parts: readonly number[]): number {
  let h = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b)
  for (const part of parts) {
    h = Math.imul(h ^ (part % 0x1_0000_0000), 0xcc9e2d51)
    h = Math.imul(h ^ Math.floor(part / 0x1_0000_0000) ^ (h >>> 15), 0x1b873593)
    h ^= h >>> 13
  }
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return ((h ^ (h >>> 16)) >>> 0) / 0x1_0000_0000
}

/** A seed from a text such as a bus name or a meter's address. */
export function seedOf(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  return h >>> 0
}
