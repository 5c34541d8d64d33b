import { loadConfig } from '../../../config/load.ts'
import type { GatewayStatus } from '../../control/status.ts'
import { EXIT } from '../errors.ts'
import type { Output } from '../output.ts'
import type { Verb } from '../verb.ts'

export const statusVerb: Verb = {
  name: 'status',
  summary: [
    'gateway, buses, meters worst first, queue, anchors, alarms',
    '网关、总线、电表(最差在前)、队列、锚定与告警'
  ],
  async run({ out, configFile }) {
    const { gatewayStatus } = await import('../../compose/control.ts')
    const status = await gatewayStatus(loadConfig(configFile))
    out.document(status)
    show(out, status)
    return EXIT.done
  }
}

function show(out: Output, status: GatewayStatus): void {
  if (out.json) return
  const running = status.daemon === 'running'
  out.tell([
    `gateway   ${status.gateway}, daemon ${status.daemon}`,
    `网关      ${status.gateway},服务${running ? '运行中' : '未运行'}`
  ])
  if (!running)
    out.tell(['          start it: systemctl start wattproof', '          启动:systemctl start wattproof'])
  out.tell([
    `slot      ${status.slot} of ${status.slotSeconds} s, now ${status.now}`,
    `时段      ${status.slot}(${status.slotSeconds} 秒),当前 ${status.now}`
  ])
  const head = status.head ? `${status.head.epoch}/${status.head.seq}` : '-'
  const { undelivered, refused } = status.queue
  out.tell([
    `queue     ${undelivered} undelivered, ${refused} refused; last sealed ${head}`,
    `队列      待送达 ${undelivered},被拒 ${refused};最近封装 ${head}`
  ])
  const anchors = Object.entries(status.anchors).map(([state, count]) => `${count} ${state}`)
  out.tell([`anchors   ${anchors.join(', ') || 'none'}`, `锚定      ${anchors.join(', ') || '无'}`])
  out.tell([
    `alarms    ${status.alarms.raised} raised, ${status.alarms.serious} serious`,
    `告警      ${status.alarms.raised} 条未恢复,其中严重 ${status.alarms.serious} 条`
  ])
  out.line()
  for (const bus of status.buses) {
    const detail = 'state' in bus ? `${bus.state} ${bus.detail}` : ''
    out.line(`${bus.name}  ${bus.port}  ${detail}`.trimEnd())
    if (!('breakers' in bus)) continue
    for (const breaker of bus.breakers) {
      const next = new Date(breaker.nextTryAtMs).toISOString().slice(11, 19)
      out.tell([
        `  ${breaker.address}: silent ${breaker.failures} times, next try ${next}Z`,
        `  ${breaker.address}:连续无应答 ${breaker.failures} 次,下次尝试 ${next}Z`
      ])
    }
  }
  out.line()
  out.table(
    [
      ['meter', '计量点'],
      ['bus', '总线'],
      ['last good', '最近有效'],
      ['age', '距今'],
      ['gaps', '缺失'],
      ['clock', '时钟误差']
    ],
    status.meters.map(meter => [
      meter.meter,
      meter.bus,
      meter.lastGood ?? '-',
      meter.ageSeconds === null ? '-' : `${meter.ageSeconds} s`,
      String(meter.gapsInSpan),
      driftText(meter.clockDriftSeconds)
    ])
  )
}

function driftText(seconds: number | null): string {
  if (seconds === null) return '-'
  return `${seconds > 0 ? '+' : ''}${seconds} s`
}
