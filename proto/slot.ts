/** Slots: pieces of time of equal length, numbered floor(unix UTC seconds / length) and labelled by their start. */

/** The slot that holds the instant. @param unixMs milliseconds since 1970 UTC @param slotSeconds length, 900 in the field */
export function slotOf(unixMs: number, slotSeconds: number): number {
  return Math.floor(unixMs / (slotSeconds * 1000))
}

/** Unix milliseconds of the slot's start. */
export function slotStartMs(slot: number, slotSeconds: number): number {
  return slot * slotSeconds * 1000
}

/** Unix milliseconds of the slot's end: the instant its register values belong to. */
export function slotEndMs(slot: number, slotSeconds: number): number {
  return (slot + 1) * slotSeconds * 1000
}
