/** Does all the pieces of a work at once. A work in pieces is a generator: its owner may turn to other things at every yield. */
export function finish<T>(pieces: Generator<undefined, T>): T {
  for (;;) {
    const piece = pieces.next()
    if (piece.done) return piece.value
  }
}
