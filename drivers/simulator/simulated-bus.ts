import { DltListener } from './dlt-listen.ts'
import { draw } from './draw.ts'
import type { FaultSetting } from './fault-setting.ts'
import { Meter, type Surroundings } from './meter-model.ts'
import { ModbusListener } from './modbus-listen.ts'
import { answerModbus } from './modbus-slave.ts'
import { PacedLine } from './paced-line.ts'
import { openPty, type Pty } from './pty.ts'
import { applyFaults, type Reply } from './reply-faults.ts'
import type { BusSetting } from './simulator-setting.ts'
import { createSlave, dltReply, modbusReply, plainReply, type Slave } from './slave.ts'

const DEFAULT_TURNAROUND_MS = 40
const DEFAULT_JITTER_MS = 10
const DEFAULT_LUMP_MS = 8
/** A frame that stops for longer has ended (DL/T 645-2007, 5.3.3). */
const OCTET_GAP_MS = 500
const FAST_BAUD = 19_200
const FAST_SILENCE_MS = 1.75

/** One simulated line with its meters. */
export class SimulatedBus {
  readonly name: string
  readonly #pty: Pty
  readonly #line: PacedLine
  readonly #slaves: readonly Slave[]
  readonly #nowMs: () => number
  readonly #dlt = new DltListener()
  readonly #modbus: ModbusListener
  readonly #silenceMs: number
  readonly #strict: boolean
  readonly #hasModbus: boolean
  readonly #replies = new Map<Meter, number>()
  readonly #babbling = new Set<Meter>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #echo: boolean
  #heardUntilMs = 0

  constructor(setting: BusSetting, slaves: readonly Slave[], pty: Pty, nowMs: () => number) {
    this.name = setting.name
    this.#pty = pty
    this.#nowMs = nowMs
    this.#echo = setting.echo ?? false
    this.#strict = setting.strictT35 ?? false
    this.#slaves = slaves
    const bits = 9 + (setting.parity === 'none' ? 0 : 1) + (setting.stopBits ?? 1)
    this.#line = new PacedLine(
      pty,
      { baud: setting.baud, bits, lumpMs: setting.lumpMs ?? DEFAULT_LUMP_MS },
      () => this.#echo,
      (octets, fromMs, untilMs, isMaster) => this.#hear(octets, fromMs, untilMs, isMaster)
    )
    // Modbus over serial line, 2.5.1.1: 3.5 characters of 11 bits, fixed above 19200
    this.#silenceMs = setting.baud > FAST_BAUD ? FAST_SILENCE_MS : (3.5 * 11 * 1000) / setting.baud
    const units = slaves.flatMap(s => (s.kind === 'modbus' ? [Number(s.meter.setting.address)] : []))
    this.#hasModbus = units.length > 0
    this.#modbus = new ModbusListener(this.#silenceMs, new Set(units))
  }

  get path(): string {
    return this.#pty.path
  }

  start(): void {
    this.#pty.onOctets(octets => this.#line.takeFromMaster(octets, performance.now()))
    for (const slave of this.#slaves) this.#babble(slave.meter)
  }

  /** Pulls the adapter out, or puts it back. */
  async setPlugged(plugged: boolean): Promise<void> {
    // what is on the wires while the adapter is out reaches nobody
    this.#line.stop()
    if (plugged) this.#pty.plug()
    else await this.#pty.unplug()
  }

  setEcho(echo: boolean): void {
    this.#echo = echo
  }

  /** Changes what is wrong with every meter of the address. @returns how many there are */
  setFaults(address: string, change: FaultSetting): number {
    const meters = this.#slaves.map(slave => slave.meter).filter(meter => meter.setting.address === address)
    for (const meter of meters) {
      meter.faults = { ...meter.faults, ...change }
      if (change.clockOffS !== undefined) {
        const unixS = this.#nowMs() / 1000
        meter.clock.setLocal(unixS + meter.surroundings.utcOffsetS + change.clockOffS, unixS)
      }
      if (change.babbleMs !== undefined) this.#babble(meter)
    }
    return meters.length
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    this.#line.stop()
    await this.#pty.close()
  }

  #hear(octets: Uint8Array, fromMs: number, untilMs: number, isMaster: boolean): void {
    const unixS = (this.#nowMs() + untilMs - performance.now()) / 1000
    if (fromMs - this.#heardUntilMs > OCTET_GAP_MS) this.#dlt.reset()
    this.#heardUntilMs = untilMs
    for (const frame of this.#dlt.feed(octets)) {
      const endMs = untilMs - frame.behind * this.#line.charMs
      for (const slave of this.#slaves) {
        if (slave.kind !== 'dlt645') continue
        const answer = slave.responder.answer(frame, unixS)
        if (answer) this.#say(slave.meter, dltReply(slave.meter, answer.control, answer.data), endMs)
      }
    }
    for (const slave of this.#slaves) {
      const found = slave.kind === 'replay' ? slave.capture.feed(octets) : undefined
      if (found) this.#say(slave.meter, plainReply(found), untilMs)
    }
    if (!this.#hasModbus) return
    this.#modbus.feed(octets, fromMs, untilMs)
    // a slave's words break a silence, but in Modbus they look like requests: they are never answered
    if (!isMaster) return
    if (this.#strict) this.#later(untilMs + this.#silenceMs, () => this.#answerModbus(untilMs, unixS))
    else this.#answerModbus(untilMs, unixS)
  }

  #answerModbus(untilMs: number, unixS: number): void {
    const request = this.#strict ? this.#modbus.findAfterSilence(untilMs) : this.#modbus.findNow()
    if (!request) return
    for (const slave of this.#slaves) {
      if (slave.kind !== 'modbus' || Number(slave.meter.setting.address) !== request[0]) continue
      this.#say(slave.meter, modbusReply(answerModbus(slave.meter, slave.profile, request, unixS)), untilMs)
    }
  }

  #say(meter: Meter, reply: Reply, requestEndMs: number): void {
    const nth = this.#replies.get(meter) ?? 0
    this.#replies.set(meter, nth + 1)
    const said = applyFaults(reply, meter.faults, meter.seed, nth)
    if (!said) return
    const { turnaroundMs = DEFAULT_TURNAROUND_MS, jitterMs = DEFAULT_JITTER_MS } = meter.setting
    const pauseMs = Math.max(turnaroundMs + jitterMs * draw(meter.seed, nth, 1000), this.#silenceMs)
    this.#line.send(said.octets, requestEndMs + pauseMs + said.delayMs)
  }

  #babble(meter: Meter): void {
    const everyMs = meter.faults.babbleMs ?? 0
    if (everyMs <= 0 || this.#babbling.has(meter)) return
    this.#babbling.add(meter)
    const nowMs = performance.now()
    this.#later(nowMs + everyMs, () => {
      const noise = Array.from({ length: 5 }, (_, n) => Math.floor(256 * draw(meter.seed, 11, nowMs, n)))
      this.#babbling.delete(meter)
      if ((meter.faults.babbleMs ?? 0) > 0) this.#line.send(noise, performance.now())
      this.#babble(meter)
    })
  }

  #later(atMs: number, act: () => void): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        act()
      },
      Math.max(0, Math.ceil(atMs - performance.now()))
    )
    this.#timers.add(timer)
  }
}

/**
 * Opens a line with its meters.
 * @param files folder that profile and capture files are relative to
 * @param nowMs wall clock of the meters, unix ms
 * @throws SimulatorError
 */
export function openSimulatedBus(
  setting: BusSetting,
  around: Surroundings,
  files: string,
  nowMs: () => number
): SimulatedBus {
  const slaves = setting.meters.map(meter => createSlave(new Meter(meter, setting.name, around), files))
  const bus = new SimulatedBus(setting, slaves, openPty(setting.path), nowMs)
  bus.start()
  return bus
}
