import { existsSync } from 'node:fs'
import { loadConfig } from '../../../config/load.ts'
import type { FoundMeter, ScanProgress } from '../../compose/scan.ts'
import type { Protocol } from '../../ports.ts'
import { EXIT } from '../errors.ts'
import { LINE_OPTIONS, lineSettings } from '../line-options.ts'
import type { Output } from '../output.ts'
import { say } from '../text.ts'
import { type Context, manyOption, textOption, type Verb } from '../verb.ts'

const PROTOCOLS: readonly Protocol[] = ['dlt645', 'dlt645-1997', 'modbus']

export const scanVerb: Verb = {
  name: 'scan',
  summary: [
    'finds the meters on a line: protocol, address, line setting, duplicates',
    '搜索总线上的电表:规约、地址、波特率、校验及重复地址'
  ],
  options: [
    ...LINE_OPTIONS,
    {
      flags: '--protocol <protocol>',
      about: ['only this one; may be repeated', '仅搜索该规约,可重复'],
      choices: PROTOCOLS,
      many: true
    },
    {
      flags: '--thorough',
      about: ['searches on behind clear answers, and waits longer; slow', '彻底搜索,耗时较长']
    }
  ],
  examples: [
    'wattproof scan --port /dev/ttyS1',
    'wattproof scan --port /dev/ttyS1 --protocol dlt645 --baud 2400 --parity even --json'
  ],
  async run(context, options) {
    const { configFile, signal, out } = context
    const asked = manyOption(options, 'protocol') as readonly Protocol[]
    const protocols = asked.length > 0 ? asked : PROTOCOLS
    const settings = lineSettings(options, protocols[0] as Protocol)
    const request = {
      protocols,
      thorough: options['thorough'] === true,
      ...(textOption(options, 'baud') === undefined ? {} : { baud: settings.baud }),
      ...(textOption(options, 'parity') === undefined ? {} : { parity: settings.parity })
    }
    const config = existsSync(configFile) ? loadConfig(configFile) : undefined
    const { scanPort } = await import('../../compose/scan.ts')
    const found: FoundMeter[] = []
    const tell = progressTeller(context)
    try {
      await scanPort(settings, request, config, {
        signal,
        onProgress(progress) {
          if (progress.kind === 'found') found.push(progress.meter)
          tell(progress)
        }
      })
    } catch (error) {
      // who breaks a search off wants what it has found so far
      if (!signal.aborted) throw error
    }
    show(out, found)
    return found.length > 0 || signal.aborted ? EXIT.done : EXIT.doesNotHold
  }
}

function show(out: Output, found: readonly FoundMeter[]): void {
  out.document(found)
  if (found.length === 0) {
    out.tell(['no meter was found', '未找到电表'])
    return
  }
  out.table(
    [
      ['protocol', '规约'],
      ['address', '地址'],
      ['baud', '波特率'],
      ['parity', '校验'],
      ['duplicate', '地址重复']
    ],
    found.map(({ protocol, address, baud, parity, duplicate }) => [
      protocol,
      address,
      String(baud),
      parity,
      duplicate ? 'yes' : '-'
    ])
  )
}

/** Progress is for people: on stderr, a line of its own on a terminal, and only what matters elsewhere. */
function progressTeller({ out, lang }: Context): (progress: ScanProgress) => void {
  const isTerminal = process.stderr.isTTY === true
  return progress => {
    switch (progress.kind) {
      case 'line':
        return out.complain(
          say(
            [
              `searching ${progress.protocol} at ${progress.baud} ${progress.parity}`,
              `搜索 ${progress.protocol},${progress.baud} ${progress.parity}`
            ],
            lang
          )
        )
      case 'asked':
        if (isTerminal) process.stderr.write(`\r${progress.asked}: ${progress.what}   \r`)
        return
      case 'found': {
        const { protocol, address, duplicate } = progress.meter
        const doubt = duplicate
          ? say([', answers garbled: a duplicate?', ',应答混乱,可能地址重复'], lang)
          : ''
        return out.complain(`  ${protocol} ${address}${doubt}`)
      }
      case 'unclear':
        return out.complain(
          say(
            [
              `  something answers under ${progress.pattern}, never clearly`,
              `  ${progress.pattern} 下有应答但无法辨认`
            ],
            lang
          )
        )
    }
  }
}
