import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { fromHex, toHex } from '../../proto/bytes.ts'
import { isWattproofError } from '../../proto/errors.ts'
import { SimulatorError } from './errors.ts'

const LONGEST = 512

/** A saved capture as a meter: every request it holds is met with the reply that followed it. */
export class ReplayMeter {
  /** replies by request, in the order of the capture */
  readonly #replies: ReadonlyMap<string, readonly (readonly number[])[]>
  readonly #asked = new Map<string, number>()
  #held = ''

  constructor(replies: ReadonlyMap<string, readonly (readonly number[])[]>) {
    this.#replies = replies
  }

  /** Takes octets off the line. @returns the reply, when they end with a known request; the last reply of several stays */
  feed(octets: Uint8Array): readonly number[] | undefined {
    this.#held = (this.#held + toHex(octets)).slice(-2 * LONGEST)
    for (const [request, replies] of this.#replies) {
      if (!this.#held.endsWith(request)) continue
      this.#held = ''
      const nth = this.#asked.get(request) ?? 0
      this.#asked.set(request, nth + 1)
      return replies[Math.min(nth, replies.length - 1)]
    }
    return undefined
  }
}

/**
 * Reads a capture: lines "> HEX" from the master, "< HEX" from the meter; several "<" in a row are one reply; other lines are
 * remarks. FE before a request is left out, so that it may be asked with or without.
 * @param beside folder that the file's name is relative to
 * @throws SimulatorError SIMULATOR_REPLAY naming file and line
 */
export function loadReplay(name: string, beside: string): ReplayMeter {
  const file = resolve(beside, name)
  const replies = new Map<string, number[][]>()
  let request: string | undefined
  let open: number[] | undefined
  readTextLines(file).forEach((line, index) => {
    const mark = line.trim()[0]
    if (mark !== '>' && mark !== '<') return
    const octets = parseLine(line.trim().slice(1), `${file}:${index + 1}`)
    if (mark === '>') {
      request = toHex(octets).replace(/^(fe)+/, '')
      open = undefined
    } else if (request !== undefined) {
      if (open) open.push(...octets)
      else {
        open = [...octets]
        replies.set(request, [...(replies.get(request) ?? []), open])
      }
    }
  })
  return new ReplayMeter(replies)
}

function readTextLines(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (cause) {
    throw new SimulatorError('SIMULATOR_REPLAY', 'cannot read the capture', {
      at: file,
      next: 'give a text file with lines "> HEX" and "< HEX"',
      cause
    })
  }
}

function parseLine(text: string, at: string): Uint8Array {
  try {
    return fromHex(text)
  } catch (cause) {
    const detail = isWattproofError(cause) ? cause.message : 'not hexadecimal'
    throw new SimulatorError('SIMULATOR_REPLAY', `the line is no frame: ${detail}`, {
      at,
      next: 'write "> " or "< " and pairs of hexadecimal digits',
      cause
    })
  }
}
