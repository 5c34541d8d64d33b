import { existsSync } from 'node:fs'
import { loadConfig } from '../../../config/load.ts'
import { toHex } from '../../../proto/bytes.ts'
import { explainDlt645 } from '../../../proto/dlt645/explain.ts'
import type { Heard } from '../../../proto/line-listener.ts'
import { explainModbus } from '../../../proto/modbus/explain.ts'
import type { CaptureFile } from '../../compose/sniff.ts'
import { EXIT, UsageError } from '../errors.ts'
import { frameLine } from '../frame-line.ts'
import { LINE_OPTIONS, lineSettings } from '../line-options.ts'
import type { Output } from '../output.ts'
import { say } from '../text.ts'
import { type Options, textOption, type Verb } from '../verb.ts'

export const busSniffVerb: Verb = {
  name: 'bus sniff',
  summary: [
    'listens on a line that others use and explains every frame; never writes an octet',
    '只听不发:解析总线上的每一帧'
  ],
  options: [
    ...LINE_OPTIONS,
    {
      flags: '--protocol <protocol>',
      about: ['listen for one protocol alone', '只解析一种规约'],
      choices: ['dlt645', 'modbus']
    },
    { flags: '--seconds <n>', about: ['ends after so long; else with Ctrl-C', '监听秒数;缺省直到 Ctrl-C'] },
    { flags: '-o, --output <file>', about: ['writes a capture', '保存抓包文件'] }
  ],
  examples: [
    'wattproof bus sniff --port /dev/ttyUSB0 --baud 2400 --parity even',
    'wattproof bus sniff --port /dev/ttyS1 --config /etc/wattproof/gateway.yaml   # what the daemon sends and hears',
    'wattproof bus sniff --port /dev/ttyUSB0 -o line.txt && wattproof decode - < line.txt'
  ],
  async run(context, options) {
    const protocol = textOption(options, 'protocol') as 'dlt645' | 'modbus' | undefined
    const settings = lineSettings(options, protocol ?? 'dlt645')
    const seconds = secondsOption(options)
    const { configFile } = context
    const config = existsSync(configFile) ? loadConfig(configFile) : undefined
    const { createCapture, sniffLine } = await import('../../compose/sniff.ts')
    const capture = openCapture(textOption(options, 'output'), createCapture)
    const { port, baud, parity } = settings
    capture?.line(`# ${port} ${baud} ${parity}; written values and passwords are blanked`)
    const tally = new Tally()
    try {
      await sniffLine(
        settings,
        {
          protocol,
          seconds,
          signal: context.signal,
          onHeard: (heard, startedAtMs, gapMs) => {
            tally.add(heard)
            show(context.out, capture, heard, new Date(startedAtMs).toISOString(), gapMs)
          }
        },
        config
      )
    } finally {
      capture?.close()
      tally.show(context.out)
    }
    return EXIT.done
  }
}

function secondsOption(options: Options): number | undefined {
  const text = textOption(options, 'seconds')
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (Number.isFinite(seconds) && seconds > 0 && seconds <= 1_000_000) return seconds
  throw new UsageError('USAGE_FLAG', `not a time: ${text}`, { at: '--seconds', next: 'e.g. --seconds 60' })
}

function openCapture(
  file: string | undefined,
  create: (path: string) => CaptureFile
): CaptureFile | undefined {
  if (file === undefined) return undefined
  try {
    return create(file)
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST'
    throw new UsageError(
      'USAGE_FLAG',
      isThere ? 'the file is there already and is not overwritten' : 'cannot write the capture',
      { at: file, next: isThere ? 'name another file' : 'name a file in a folder that can be written' }
    )
  }
}

function show(
  out: Output,
  capture: CaptureFile | undefined,
  heard: Heard,
  time: string,
  gapMs: number | null
): void {
  const hex = toHex(heard.octets).toUpperCase()
  const gap = gapMs === null ? null : Math.round(gapMs * 10) / 10
  const document = { time, gapMs: gap, hex, ...documentOf(heard) }
  const text = frameLine(document)
  out.streamed(document)
  const mark = heard.kind === 'noise' ? ' ' : heard.direction === 'request' ? '>' : '<'
  const pause = `+${gap ?? 0} ms`
  out.line(`${time.slice(11, 23)} ${pause.padStart(10)} ${mark} ${say(text, out.lang)}`)
  // A comment each: whoever reads the capture as frames passes over it.
  capture?.line(`# ${time} ${pause} ${text[0]}`)
  if (heard.kind === 'noise') capture?.line(`# ${hex}`)
  else capture?.line(`${mark} ${hex}`)
}

function documentOf(heard: Heard): Readonly<Record<string, unknown>> {
  if (heard.kind === 'noise')
    return { protocol: null, direction: null, error: `${heard.octets.length} octets that make no frame` }
  const { octets, direction, protocol, isRedacted } = heard
  const redacted = isRedacted ? { redacted: true } : {}
  if (protocol === 'modbus') return { ...explainModbus(octets, direction), ...redacted }
  return { ...explainDlt645(octets, direction), preambleFE: heard.preambleFE, ...redacted }
}

/** What was heard in all. */
class Tally {
  readonly #counts = new Map<string, number>()
  readonly #speakers = new Set<string>()
  #noise = 0

  add(heard: Heard): void {
    if (heard.kind === 'noise') {
      this.#noise += heard.octets.length
      return
    }
    const key = `${heard.protocol} ${heard.direction}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
    if (heard.direction === 'response') this.#speakers.add(speakerOf(heard))
  }

  show(out: Output): void {
    const of = (key: string) => this.#counts.get(key) ?? 0
    const summary = {
      dlt645: { requests: of('dlt645 request'), responses: of('dlt645 response') },
      modbus: { requests: of('modbus request'), responses: of('modbus response') },
      noiseOctets: this.#noise,
      answered: [...this.#speakers].sort()
    }
    out.streamed({ summary })
    const { dlt645, modbus } = summary
    out.tell([
      `DL/T 645: ${dlt645.requests} requests, ${dlt645.responses} answers; Modbus: ${modbus.requests} requests, ${modbus.responses} answers; ${this.#noise} octets of noise`,
      `DL/T 645:请求 ${dlt645.requests},应答 ${dlt645.responses};Modbus:请求 ${modbus.requests},应答 ${modbus.responses};杂散字节 ${this.#noise}`
    ])
    if (this.#speakers.size > 0) out.line(`  ${summary.answered.join(', ')}`)
  }
}

function speakerOf(heard: Extract<Heard, { kind: 'frame' }>): string {
  if (heard.protocol === 'modbus') return `modbus:${heard.octets[0]}`
  return `dlt645:${toHex(heard.octets.slice(1, 7).reverse()).toUpperCase()}`
}
