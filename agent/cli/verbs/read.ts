import { existsSync } from 'node:fs'
import { ConfigError } from '../../../config/errors.ts'
import type { BusConfig, GatewayConfig } from '../../../config/gateway-config.ts'
import { loadConfig } from '../../../config/load.ts'
import type { MeterAnswer, MeterPoint, Protocol } from '../../ports.ts'
import {
  adhocMeter,
  configuredMeter,
  LINE_OPTIONS,
  type LineSettings,
  lineSettings,
  withWanted
} from '../line-options.ts'
import { answerToJson, faultLine, judgeAnswer, valueText } from '../meter-answer.ts'
import { type Context, type Options, textOption, type Verb } from '../verb.ts'

export const readVerb: Verb = {
  name: 'read',
  summary: ['reads one meter, now', '立即抄读一只电表'],
  options: [
    { flags: '--meter <id>', about: ['a meter of the configuration', '配置中的计量点'] },
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
    'wattproof read --meter QY-000123 --item energy',
    'wattproof read --port /dev/ttyS1 --protocol dlt645 --address 12345678 --item energy',
    'wattproof read --port /dev/ttyUSB0 --protocol modbus --address 1 --profile eastron-sdm630 --json'
  ],
  async run(context, options) {
    const { meter, settings, answer } = await readAsked(context, options)
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

interface AskedMeter {
  readonly meter: MeterPoint
  readonly settings: LineSettings
  readonly answer: MeterAnswer
}

/** Only to find out whether a daemon has the port: a line can be read on the day its configuration is broken. */
function configIfSound(file: string): GatewayConfig | undefined {
  try {
    return existsSync(file) ? loadConfig(file) : undefined
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}

/** Reads what the options name: a meter of the configuration, or one described on the command line. */
async function readAsked({ configFile, signal }: Context, options: Options): Promise<AskedMeter> {
  const { readAdhoc, readConfigured } = await import('../../compose/meter-read.ts')
  const id = textOption(options, 'meter')
  if (id !== undefined) {
    const config = loadConfig(configFile)
    const meter = withWanted(configuredMeter(config, id), options)
    const settings = config.buses.find(({ name }) => name === meter.bus) as BusConfig
    return { meter, settings, answer: await readConfigured(config, meter, signal) }
  }
  const protocol = (textOption(options, 'protocol') ?? 'dlt645') as Protocol
  const meter = adhocMeter(options, protocol)
  const settings = lineSettings(options, protocol)
  if (meter.profile !== undefined) (await import('../../compose/profiles.ts')).requireProfile(meter.profile)
  const config = configIfSound(configFile)
  return { meter, settings, answer: await readAdhoc(settings, meter, config, signal) }
}
