import { SimulatorError } from './errors.ts'
import { FAULT_NAMES, type FaultSetting } from './fault-setting.ts'
import { openSimulatedBus, type SimulatedBus } from './simulated-bus.ts'
import type { SimulatorSetting } from './simulator-setting.ts'

/** Running simulated lines. */
export interface Simulator {
  /** what to open to reach each line's meters */
  readonly lines: readonly { readonly bus: string; readonly path: string }[]
  /**
   * Changes what is wrong with a meter; `undefined` and false mend.
   * @throws SimulatorError SIMULATOR_CONFIG when there is no such bus, meter or fault
   */
  setFault<Name extends keyof FaultSetting>(
    bus: string,
    address: string,
    name: Name,
    value: FaultSetting[Name] | undefined
  ): void
  /** The adapter hears itself, or no longer. */
  setEcho(bus: string, echo: boolean): void
  /** Pulls a line's adapter out (the port hangs up and its path is gone) or puts it back. */
  setPlugged(bus: string, plugged: boolean): Promise<void>
  /** Takes everything down; safe to call twice. */
  stop(): Promise<void>
}

const DEFAULT_SLOT_SECONDS = 900
const DEFAULT_UTC_OFFSET_MINUTES = 480

/**
 * Starts simulated meters behind pseudo-terminals.
 * @param options.files folder that profile and capture files are relative to; the working folder when left out
 * @param options.clock wall clock of the meters, unix ms; the pace of the lines is always real
 * @throws SimulatorError
 */
export function startSimulator(
  setting: SimulatorSetting,
  options: { readonly clock?: { nowMs(): number }; readonly files?: string } = {}
): Simulator {
  const nowMs = (): number => options.clock?.nowMs() ?? Date.now()
  const around = {
    seed: setting.seed ?? 1,
    slotSeconds: setting.slotSeconds ?? DEFAULT_SLOT_SECONDS,
    utcOffsetS: (setting.utcOffsetMinutes ?? DEFAULT_UTC_OFFSET_MINUTES) * 60,
    startedS: nowMs() / 1000
  }
  const buses = new Map<string, SimulatedBus>()
  const stop = async (): Promise<void> => {
    await Promise.all([...buses.values()].map(bus => bus.stop()))
  }
  try {
    for (const bus of setting.buses)
      buses.set(bus.name, openSimulatedBus(bus, around, options.files ?? '.', nowMs))
  } catch (error) {
    void stop()
    throw error
  }
  const find = (name: string): SimulatedBus => {
    const found = buses.get(name)
    if (!found)
      throw new SimulatorError('SIMULATOR_CONFIG', `no simulated bus is called ${JSON.stringify(name)}`, {
        next: `name one of ${[...buses.keys()].join(', ')}`
      })
    return found
  }
  return {
    get lines() {
      return [...buses.values()].map(bus => ({ bus: bus.name, path: bus.path }))
    },
    setFault(bus, address, name, value) {
      const known = FAULT_NAMES.includes(name)
      if (!known || find(bus).setFaults(address, { [name]: value }) === 0)
        throw new SimulatorError('SIMULATOR_CONFIG', known ? 'no such meter' : 'no such fault', {
          at: `${bus} ${address} ${name}`,
          next: known ? 'give the address as configured' : `name one of ${FAULT_NAMES.join(', ')}`
        })
    },
    setEcho: (bus, echo) => find(bus).setEcho(echo),
    setPlugged: (bus, plugged) => find(bus).setPlugged(plugged),
    stop
  }
}
