import { readFileSync } from 'node:fs'
import { Ajv } from 'ajv'
import { LineCounter, parseDocument } from 'yaml'
import { SimulatorError } from './errors.ts'
import { shippedFolder } from './profile-file.ts'
import type { SimulatorSetting } from './simulator-setting.ts'

/**
 * Reads and checks a simulation's YAML file.
 * @throws SimulatorError SIMULATOR_CONFIG naming file, line and column
 */
export function loadSimulatorSetting(file: string): SimulatorSetting {
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new SimulatorError('SIMULATOR_CONFIG', 'cannot read the simulation', {
      at: file,
      next: 'give a file such as config/simulator/demo.yaml',
      cause
    })
  }
  return parseSimulatorSetting(source, file)
}

/** As {@link loadSimulatorSetting}, from text. */
export function parseSimulatorSetting(source: string, file: string): SimulatorSetting {
  const counter = new LineCounter()
  const document = parseDocument(source, { lineCounter: counter })
  const fail = (message: string, offset: number | undefined): never => {
    const { line, col } = counter.linePos(offset ?? 0)
    throw new SimulatorError('SIMULATOR_CONFIG', message, {
      at: `${file}:${line}:${col}`,
      next: 'config/simulator.schema.json lists what may stand here'
    })
  }
  const broken = document.errors[0]
  if (broken) fail(broken.message.split('\n')[0] ?? 'not YAML', broken.pos[0])
  const value: unknown = document.toJS()
  const schema: unknown = JSON.parse(readFileSync(shippedFolder('config', 'simulator.schema.json'), 'utf8'))
  const validate = new Ajv({ allowUnionTypes: true, strict: false }).compile<SimulatorSetting>(
    schema as object
  )
  if (validate(value)) return value
  const error = validate.errors?.[0]
  const path = (error?.instancePath ?? '').split('/').slice(1)
  const extra: unknown = error?.params?.['additionalProperty']
  const steps = path.map(step => (/^\d+$/.test(step) ? Number(step) : step))
  const node: unknown = document.getIn(steps, true)
  const range =
    typeof node === 'object' && node !== null && 'range' in node ? (node.range as number[]) : undefined
  return fail(
    `${path.join('.') || 'the simulation'} ${error?.message ?? 'is not valid'}${extra === undefined ? '' : ` (${String(extra)})`}`,
    range?.[0]
  )
}
