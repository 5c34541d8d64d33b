import type { Protocol } from '../../ports.ts'
import { adhocMeter, LINE_OPTIONS, lineSettings } from '../line-options.ts'
import { answerToJson, faultLine, judgeAnswer, valueText } from '../meter-answer.ts'
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
    if (meter.profile !== undefined) (await import('../../compose/profiles.ts')).requireProfile(meter.profile)
    const { readOnce } = await import('../../compose/line.ts')
    const answer = await readOnce(settings, meter, context.signal)
    context.out.document(answerToJson(meter, answer))
    if (answer.values.length > 0) {
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
    }
    // the document has them too
    if (!context.json) for (const fault of answer.faults) context.out.complain(faultLine(fault, context.lang))
    const { port, baud, parity, stopBits } = settings
    const line = `${port.replace(/^serial:/, '')}, ${baud} 8${{ even: 'E', none: 'N', odd: 'O' }[parity]}${stopBits}`
    return judgeAnswer(meter, answer, line, context.lang)
  }
}
