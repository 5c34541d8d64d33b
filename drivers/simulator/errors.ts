import { WattproofError } from '../../proto/errors.ts'

export type SimulatorCode = 'SIMULATOR_PTY' | 'SIMULATOR_CONFIG' | 'SIMULATOR_PROFILE' | 'SIMULATOR_REPLAY'

/** The simulated meters could not be set up or steered as asked. */
export class SimulatorError extends WattproofError<SimulatorCode> {}
