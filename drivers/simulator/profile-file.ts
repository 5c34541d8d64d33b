import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { SimulatorError } from './errors.ts'
import { buildProfile, type RawProfile, type SimulatedProfile } from './modbus-profile.ts'

/** Folder of data that ships with the program, the same from dist/ and from the sources. */
export function shippedFolder(...below: readonly string[]): string {
  let folder = dirname(fileURLToPath(import.meta.url))
  while (!existsSync(join(folder, 'package.json')) && dirname(folder) !== folder) folder = dirname(folder)
  return join(folder, ...below)
}

/**
 * Loads a register profile by name from the shipped ones, or from a file.
 * @param beside folder that file names are relative to
 * @throws SimulatorError SIMULATOR_PROFILE
 */
export function loadProfile(name: string, beside: string): SimulatedProfile {
  const file = /\.ya?ml$/.test(name)
    ? resolve(beside, name)
    : shippedFolder('config', 'meters', 'modbus', `${name}.yaml`)
  let raw: unknown
  try {
    raw = parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new SimulatorError('SIMULATOR_PROFILE', `cannot load the profile ${JSON.stringify(name)}`, {
      at: file,
      next: 'name one of config/meters/modbus, or give a .yaml file',
      cause
    })
  }
  if (!isProfile(raw))
    throw new SimulatorError('SIMULATOR_PROFILE', 'not a register profile', {
      at: file,
      next: 'run wattproof profile check on it'
    })
  return buildProfile(raw)
}

function isProfile(raw: unknown): raw is RawProfile {
  if (typeof raw !== 'object' || raw === null) return false
  const { function: code, registers, order } = raw as Partial<RawProfile>
  return typeof code === 'number' && typeof order === 'string' && Array.isArray(registers)
}
