import { fromHex } from '../../../proto/bytes.ts'
import { explainDlt645 } from '../../../proto/dlt645/explain.ts'
import { isWattproofError } from '../../../proto/errors.ts'
import { explainModbus } from '../../../proto/modbus/explain.ts'
import { EXIT, UsageError } from '../errors.ts'
import type { Output } from '../output.ts'
import { textOption, type Verb } from '../verb.ts'

const PROTOCOLS = ['dlt645', 'dlt645-1997', 'modbus'] as const
type ProtocolName = (typeof PROTOCOLS)[number]
type Direction = 'request' | 'response'

/** One line of a capture: "> HEX" from the master, "< HEX" from the meter, bare HEX from either. */
export interface CaptureLine {
  readonly direction: Direction | undefined
  readonly hex: string
}

export const decodeVerb: Verb = {
  name: 'decode',
  summary: ['explains a frame or a capture', '解析报文或抓包'],
  args: [
    {
      form: '[hex...]',
      about: ['the octets, or - for a capture on standard input', '十六进制报文;- 表示从标准输入读取']
    }
  ],
  options: [
    {
      flags: '--protocol <protocol>',
      about: ['protocol; found out when left out', '规约;缺省自动识别'],
      choices: PROTOCOLS
    }
  ],
  examples: [
    'wattproof decode 68AAAAAAAAAAAA681300DF16',
    "printf '> 010400000002 71CB\\n< 010404...\\n' | wattproof decode --protocol modbus --json -"
  ],
  async run(context, options, args) {
    const protocol = textOption(options, 'protocol') as ProtocolName | undefined
    if (args.length === 0) {
      throw new UsageError('USAGE_ARGUMENT', 'no frame was given', {
        next: 'wattproof decode HEX, or wattproof decode - for a capture on standard input'
      })
    }
    const fromStdin = args.length === 1 && args[0] === '-'
    const lines = fromStdin ? captureLines(await context.readStdin()) : captureLines(args.join(' '))
    let failed = false
    for (const line of lines) {
      const document = explainLine(line, protocol)
      failed ||= document['error'] !== undefined && document['error'] !== null
      if (fromStdin) context.out.streamed(document)
      else context.out.document(document)
      show(context.out, line, document)
    }
    return failed && !fromStdin ? EXIT.doesNotHold : EXIT.done
  }
}

/** The frames of a capture text; blank lines and lines that start with # are left out. */
export function captureLines(text: string): CaptureLine[] {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => {
      const match = /^(?:\S*T\S*\s+)?([<>])\s*(.*)$/.exec(line)
      if (!match) return { direction: undefined, hex: line }
      return { direction: match[1] === '>' ? 'request' : 'response', hex: match[2] ?? '' }
    })
}

/** Explains one frame; octets that are no frame give a document with `error`. */
export function explainLine(line: CaptureLine, protocol: ProtocolName | undefined): Record<string, unknown> {
  let octets: Uint8Array
  try {
    octets = fromHex(line.hex)
  } catch (error) {
    const message = isWattproofError(error)
      ? `${error.message}${error.at ? ` at ${error.at}` : ''}`
      : String(error)
    return { protocol: protocol ?? null, direction: line.direction ?? null, error: message }
  }
  if (protocol === 'modbus') return { ...explainModbus(octets, line.direction) }
  if (protocol !== undefined) return { ...explainDlt645(octets, line.direction, protocol) }
  const asDlt645 = { ...explainDlt645(octets, line.direction) } as Record<string, unknown>
  if (!asDlt645['error']) return asDlt645
  const asModbus = { ...explainModbus(octets, line.direction) } as Record<string, unknown>
  return asModbus['error'] && octets.includes(0x68) ? asDlt645 : asModbus
}

function show(out: Output, line: CaptureLine, document: Record<string, unknown>): void {
  if (out.json) return
  out.line(`${line.direction === 'request' ? '>' : line.direction === 'response' ? '<' : ' '} ${line.hex}`)
  for (const [name, value] of Object.entries(document)) {
    if (value === undefined || value === null || name === 'direction') continue
    if (name === 'values' && typeof value === 'object') showValues(out, value as Record<string, unknown>)
    else out.line(`    ${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
  }
}

function showValues(out: Output, values: Record<string, unknown>): void {
  for (const [name, value] of Object.entries(values)) {
    const one = value as { value?: unknown; unit?: string } | null
    const isScalar =
      one !== null &&
      typeof one === 'object' &&
      'value' in one &&
      (typeof one.value !== 'object' || one.value === null)
    out.line(
      `    ${name} = ${isScalar ? `${one.value ?? '(none)'} ${one.unit ?? ''}`.trimEnd() : JSON.stringify(value)}`
    )
  }
}
