import { formatScaled } from '../../../proto/decimal.ts'
import { itemById } from '../../../proto/items.ts'
import type { MeterAnswer, Protocol, ReadValue } from '../../ports.ts'
import { EXIT, type ExitCode } from '../errors.ts'
import { adhocMeter, LINE_OPTIONS, lineSettings } from '../line-options.ts'
import { textOption, type Verb } from '../verb.ts'

export const readVerb: Verb = {
  name: 'read',
  summary: ['reads one meter, now', '立即抄读一只电表'],
  options: [
    ...LINE_OPTIONS,
    {
      flags: '--protocol <protocol>',
      about: ['protocol', '规约'],
      choices: ['dlt645', 'dlt645-1997', 'modbus'],
      fallback: 'dlt645'
    },
    { flags: '--address <address>', about: ['12 digits, or 1 to 247', '表地址'] },
    { flags: '--profile <profile>', about: ['Modbus profile, by name or file', 'Modbus 型号文件'] },
    { flags: '--item <item>', about: ['item or set; may be repeated', '数据项或集合,可重复'], many: true },
    { flags: '--di <hex>', about: ['data identifier; may be repeated', '数据标识,可重复'], many: true },
    {
      flags: '--reg <register>',
      about: ['Modbus registers, ADDRESS:COUNT; may be repeated', '寄存器,地址:数量,可重复'],
      many: true
    }
  ],
  examples: [
    'wattproof read --port /dev/ttyS1 --protocol dlt645 --address 12345678 --item energy',
    'wattproof read --port /dev/ttyUSB0 --protocol modbus --address 1 --profile eastron-sdm630 --json'
  ],
  async run(context, options) {
    const protocol = (textOption(options, 'protocol') ?? 'dlt645') as Protocol
    const meter = adhocMeter(options, protocol)
    const settings = lineSettings(options, protocol)
    const { readOnce } = await import('../../compose/line.ts')
    const answer = await readOnce(settings, meter, context.signal)
    context.out.document(answerToJson(meter.address, protocol, answer))
    context.out.table(
      [
        ['item', '数据项'],
        ['value', '数值'],
        ['unit', '单位'],
        ['origin', '标识'],
        ['raw', '原始']
      ],
      answer.values.map(value => [value.key, valueText(value) ?? '-', value.unit, value.origin, value.raw])
    )
    for (const fault of answer.faults)
      context.out.complain(
        `${fault.asked || meter.address}: ${fault.kind}${fault.code ? ` ${fault.code}` : ''}: ${fault.detail}`
      )
    return exitOf(answer)
  }
}

/** Exact decimal text of a value; null when the meter has no such value. */
export function valueText(value: ReadValue): string | null {
  if (value.text !== undefined) return value.text
  return value.value === null ? null : formatScaled(value.value, value.exponent)
}

/** The JSON of one meter's answer, as the CLI contract has it. */
export function answerToJson(address: string, protocol: Protocol, answer: MeterAnswer): object {
  return {
    address,
    protocol,
    items: answer.values.map(value => ({
      item: value.key,
      obis: value.item === null ? null : itemById(value.item).obis,
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

/** Nothing came back: cannot reach it (3). Something did, but not all: does not hold (1). */
function exitOf(answer: MeterAnswer): ExitCode {
  if (answer.values.length === 0) return EXIT.unreachable
  return answer.faults.length > 0 ? EXIT.doesNotHold : EXIT.done
}
