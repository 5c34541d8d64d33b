import type { ProbeAnswer, ProbeFault } from '../../compose/probe.ts'
import { EXIT } from '../errors.ts'
import { LINE_OPTIONS, lineSettings, meterAddress } from '../line-options.ts'
import { say, type Text } from '../text.ts'
import { textOption, type Verb } from '../verb.ts'

const PROTOCOLS = ['dlt645', 'dlt645-1997', 'modbus'] as const

const MENDS: Readonly<Record<ProbeFault, Text>> = {
  nothing: [
    'nothing answers at any setting: check that the meter has power, that A and B are not swapped, the port, and --address (Modbus is asked at unit 1 when none is given)',
    '所有设置均无应答:检查电表供电、A/B 线是否接反、端口以及 --address(未指定时 Modbus 只问 1 号站)'
  ],
  echo: [
    'the adapter hears itself (that does no harm) but nothing answers: check wires, power and --address',
    '适配器有回声(无妨),但没有电表应答:检查接线、供电与 --address'
  ],
  parity: [
    'looks like parity: the start of an answer is right, the rest is not; try --parity even, none and odd at the speed named above',
    '疑似校验位不符:应答开头正确,其后错误;请在上面所列速率下尝试 --parity even、none、odd'
  ],
  speed: [
    'octets come back but make no sense: wrong speed, swapped A/B wires, or a disturbed line',
    '有字节返回但不成帧:波特率不符、A/B 接反或线路受干扰'
  ],
  collision: [
    'several meters answer at once, or two have one address: name one with --address (wattproof scan finds them)',
    '多只电表同时应答,或地址重复:请用 --address 指定一只(wattproof scan 可搜索)'
  ],
  noise: [
    'answers are damaged: check termination, shield and cable length',
    '应答受损:检查终端电阻、屏蔽与线长'
  ],
  portDown: [
    'the port cannot be used, for the reason above; whoever has it is named by fuser PORT (the daemon: systemctl stop wattproof)',
    '端口不可用,原因见上;占用者可用 fuser 端口 查出(守护进程:systemctl stop wattproof)'
  ]
}

export const busProbeVerb: Verb = {
  name: 'bus probe',
  summary: ['finds the line settings a meter answers at, and names the fault', '探测线路参数并指出故障'],
  options: [
    ...LINE_OPTIONS,
    {
      flags: '--protocol <protocol>',
      about: ['asks in this one alone', '只用一种规约'],
      choices: PROTOCOLS
    },
    { flags: '--address <address>', about: ['12 digits, or 1 to 247', '表地址'] }
  ],
  examples: [
    'wattproof bus probe --port /dev/ttyUSB0',
    'wattproof bus probe --port /dev/ttyUSB0 --protocol modbus --address 3 --json'
  ],
  async run(context, options) {
    const { out } = context
    const protocol = textOption(options, 'protocol') as (typeof PROTOCOLS)[number] | undefined
    const settings = lineSettings(options, protocol ?? 'dlt645')
    const named = textOption(options, 'address')
    const family = protocol ?? (named === undefined || named.length > 3 ? 'dlt645' : 'modbus')
    const address = named === undefined ? undefined : meterAddress(named, family)
    const either = address === undefined ? PROTOCOLS : dialectsOf(family)
    const { probePort } = await import('../../compose/probe.ts')
    const answer = await probePort({
      port: settings.port,
      stopBits: settings.stopBits,
      baud: textOption(options, 'baud') === undefined ? undefined : settings.baud,
      parity: textOption(options, 'parity') === undefined ? undefined : settings.parity,
      protocols: protocol === undefined ? either : [protocol],
      address,
      signal: context.signal,
      onTry: one =>
        out.line(
          `${String(one.baud).padStart(6)} 8${LETTERS[one.parity]}${settings.stopBits}  ${one.protocol.padEnd(11)} ${one.asked.padEnd(10)} ${one.detail}`
        )
    })
    out.document(answer)
    const { found, fault } = answer
    if (!found) {
      out.tell(MENDS[fault ?? 'nothing'])
      return EXIT.unreachable
    }
    out.line(say(foundText(found), out.lang))
    return EXIT.done
  }
}

const LETTERS = { even: 'E', none: 'N', odd: 'O' } as const

function dialectsOf(family: (typeof PROTOCOLS)[number]): readonly (typeof PROTOCOLS)[number][] {
  return family === 'modbus' ? ['modbus'] : ['dlt645', 'dlt645-1997']
}

function foundText(found: NonNullable<ProbeAnswer['found']>): Text {
  const { protocol, address, baud, parity, stopBits, echo } = found
  const flags = `--protocol ${protocol} --address ${address} --baud ${baud} --parity ${parity}${stopBits === 2 ? ' --stop-bits 2' : ''}`
  return [
    `found: ${flags}${echo ? '  (the adapter echoes; that does no harm)' : ''}`,
    `已找到:${flags}${echo ? '(适配器有回声,无妨)' : ''}`
  ]
}
