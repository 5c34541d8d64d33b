import { formatScaled } from '../../proto/decimal.ts'
import { catalogueItemsAt } from '../../proto/dlt645/catalogue.ts'
import { parseDataIdentifier } from '../../proto/dlt645/data-identifier.ts'
import { decodeFrame } from '../../proto/dlt645/frame.ts'
import { itemById } from '../../proto/items.ts'
import type { MeterAnswer, MeterPoint, ReadFault, ReadValue } from '../ports.ts'
import { EXIT, type ExitCode, ReadError } from './errors.ts'
import { type Lang, say, type Text } from './text.ts'

/** Exact decimal text of a value, with the meter's own count of decimals; null when the meter has no such value. */
export function valueText(value: ReadValue): string | null {
  if (value.text !== undefined) return value.text
  return value.value === null ? null : formatScaled(value.value, value.exponent)
}

/** The JSON of one meter's answer, as the CLI contract has it. */
export function answerToJson(meter: Pick<MeterPoint, 'address' | 'protocol'>, answer: MeterAnswer): object {
  return {
    address: ownAddress(meter, answer),
    protocol: meter.protocol,
    items: answer.values.map(value => ({
      item: value.key,
      obis: obisOf(value),
      value: valueText(value),
      unit: value.unit,
      raw: value.raw,
      origin: value.origin
    })),
    errors: answer.faults.map(({ kind, asked, code, detail }) => ({
      kind,
      asked,
      ...(code === undefined ? {} : { code }),
      detail
    }))
  }
}

/** A raw item has the code of the catalogue item that its identifier brings, where that is one. */
function obisOf(value: ReadValue): string | null {
  if (value.item !== null) return itemById(value.item).obis
  if (!value.key.startsWith('di:')) return null
  const [only, ...others] = catalogueItemsAt(parseDataIdentifier(value.origin))
  return only === undefined || others.length > 0 ? null : itemById(only).obis
}

/** The address the meter gave, where it was asked with AA for any. */
function ownAddress(meter: Pick<MeterPoint, 'address' | 'protocol'>, answer: MeterAnswer): string {
  const frame = answer.frames.at(-1)
  return frame && meter.protocol !== 'modbus' && meter.address.startsWith('AA')
    ? decodeFrame(frame).address
    : meter.address
}

const KINDS_ZH: Readonly<Record<ReadFault['kind'], string>> = {
  silent: '无应答',
  refused: '电表拒绝',
  garbage: '应答无效',
  busDown: '端口不可用',
  skipped: '暂不抄读',
  noTime: '时间不足',
  value: '数据无效'
}

/** One fault as a line for people. */
export function faultLine(fault: ReadFault, lang: Lang): string {
  const kind = lang === 'zh' ? KINDS_ZH[fault.kind] : fault.kind
  return `${fault.asked}: ${kind}${fault.code ? ` ${fault.code}` : ''}: ${fault.detail}`.replace(/^: /, '')
}

const NEXT_SILENT: Text = [
  'check address, baud and parity, and wires A and B; an address of AAAAAAAAAAAA asks a DL/T 645 meter that is alone on the line',
  '请检查地址、波特率、校验以及 A/B 接线;总线上仅一只 DL/T 645 表时可用地址 AAAAAAAAAAAA'
]
const NEXT_GARBAGE: Text = [
  'try other baud and parity; two meters with one address, or another master on the line, look like this too',
  '请尝试其他波特率与校验;地址重复或总线上另有主站时也会如此'
]

/**
 * What an answer is worth: all that was asked for, or a part (1).
 * @param asked how it was asked, for the message: port and line settings
 * @throws ReadError READ_SILENT or READ_GARBAGE when nothing came that could be used
 */
export function judgeAnswer(
  meter: Pick<MeterPoint, 'address'>,
  answer: MeterAnswer,
  asked: string,
  lang: Lang
): ExitCode {
  const { values, faults } = answer
  // what a meter cannot have at all is among the values too
  if (
    values.some(({ raw }) => raw !== '') ||
    faults.some(({ kind }) => kind === 'refused' || kind === 'value')
  )
    return faults.length > 0 ? EXIT.doesNotHold : EXIT.done
  if (faults.some(({ kind }) => kind === 'garbage')) {
    throw new ReadError('READ_GARBAGE', `what meter ${meter.address} answers cannot be used`, {
      at: asked,
      next: say(NEXT_GARBAGE, lang)
    })
  }
  throw new ReadError('READ_SILENT', `no answer from meter ${meter.address}`, {
    at: asked,
    next: say(NEXT_SILENT, lang)
  })
}
