import { connect, type IClientOptions, type MqttClient } from 'mqtt'
import type { Clock, Log } from '../../agent/ports.ts'
import { type BrokerAddress, connectionOptions, redactUrl } from './broker-address.ts'
import { isVersionFault, toConnectError } from './connect-error.ts'
import { UplinkError } from './errors.ts'

export interface ConnectionOptions {
  readonly broker: BrokerAddress
  /** The same at every start: the broker keeps what came while we were away under this name. */
  readonly clientId: string
  readonly clock: Pick<Clock, 'wait'>
  readonly log: Log
  readonly random: () => number
  readonly will?: { readonly topic: string; readonly payload: Uint8Array }
  readonly keepaliveSeconds?: number
  /** A PUBACK later than this means a dead connection, whatever TCP believes. */
  readonly ackTimeoutMs?: number
  readonly connectTimeoutMs?: number
  readonly backoffMs?: { readonly first: number; readonly most: number }
}

/** 5 where the broker speaks it, 3.1.1 elsewhere; nothing here depends on a feature of 5. */
type Version = 5 | 4

const SESSION_SECONDS = 7 * 86_400

/**
 * One connection to a broker, made anew for ever. Every attempt has a fresh client of the library, so that no packet waits
 * in its store: what was not acknowledged is known to the caller, whose own table is the only queue.
 */
export class BrokerConnection {
  readonly #options: ConnectionOptions
  readonly #stop = new AbortController()
  readonly #filters = new Set<string>()
  readonly #connectCallbacks: (() => void)[] = []
  readonly #messageCallbacks: ((topic: string, payload: Uint8Array) => void)[] = []
  readonly #unacknowledged = new Set<(error: UplinkError) => void>()
  #version: Version = 5
  #client: MqttClient | undefined
  #running: Promise<void> | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  get connected(): boolean {
    return this.#client !== undefined
  }

  /** MQTT version in use or to be tried next. */
  get version(): Version {
    return this.#version
  }

  /** Begins connecting; never rejects, failures are logged and tried again. */
  start(): void {
    this.#running ??= this.#run()
  }

  onConnect(callback: () => void): void {
    this.#connectCallbacks.push(callback)
    if (this.connected) callback()
  }

  onMessage(callback: (topic: string, payload: Uint8Array) => void): void {
    this.#messageCallbacks.push(callback)
  }

  /** Subscribes now if connected and at every connect from now on. */
  async subscribe(filter: string): Promise<void> {
    this.#filters.add(filter)
    const client = this.#client
    if (client === undefined) return
    try {
      await client.subscribeAsync(filter, { qos: 1 })
    } catch (cause) {
      this.#drop(client)
      throw new UplinkError('UPLINK_OFFLINE', 'the connection broke while subscribing', { at: filter, cause })
    }
  }

  /** Resolves on PUBACK. @throws UplinkError UPLINK_OFFLINE, UPLINK_TIMEOUT, UPLINK_REFUSED, UPLINK_CLOSED */
  publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void> {
    const client = this.#client
    if (this.#stop.signal.aborted)
      return Promise.reject(new UplinkError('UPLINK_CLOSED', 'the uplink is closed'))
    if (client === undefined) return Promise.reject(this.#offline())
    return new Promise((resolve, reject) => {
      const settle = (error?: UplinkError): void => {
        clearTimeout(timer)
        this.#unacknowledged.delete(settle)
        if (error === undefined) resolve()
        else reject(error)
      }
      const timer = setTimeout(() => {
        settle(
          new UplinkError('UPLINK_TIMEOUT', 'the broker did not acknowledge in time', {
            at: this.#place(),
            next: 'check the line to the broker'
          })
        )
        this.#drop(client)
      }, this.#options.ackTimeoutMs ?? 20_000)
      this.#unacknowledged.add(settle)
      client.publish(
        topic,
        Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength),
        { qos: 1, retain },
        error => {
          if (error) settle(toConnectError(error, this.#place()))
          else settle()
        }
      )
    })
  }

  async close(): Promise<void> {
    this.#stop.abort(new UplinkError('UPLINK_CLOSED', 'the uplink is closed'))
    const client = this.#client
    // a polite end lets the broker forget the last will; it must not hold up the end of the process
    if (client)
      await Promise.race([client.endAsync(), this.#options.clock.wait(1_000)]).catch(() => undefined)
    if (client) this.#drop(client)
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, log, random, backoffMs = { first: 1_000, most: 60_000 } } = this.#options
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted) {
      try {
        const { client, ended } = await this.#connect()
        failures = 0
        log.info('broker-connected', { broker: this.#place(), mqtt: this.#version === 5 ? '5' : '3.1.1' })
        for (const callback of this.#connectCallbacks) callback()
        await ended
        this.#drop(client)
        if (!signal.aborted) log.warn('broker-lost', { broker: this.#place() })
      } catch (error) {
        if (signal.aborted) return
        const version = this.#version
        if (isVersionFault(error)) this.#version = version === 5 ? 4 : 5
        // the older version is tried at once; the way back waits, so that two refusals do not become a loop
        if (isVersionFault(error) && version === 5) continue
        log.warn('broker-unreachable', { broker: this.#place(), error: toConnectError(error, this.#place()) })
      }
      const delayMs = Math.min(backoffMs.most, backoffMs.first * 2 ** Math.min(failures++, 16))
      await clock.wait(delayMs * (0.5 + random() / 2), signal).catch(() => undefined)
    }
  }

  async #connect(): Promise<{ client: MqttClient; ended: Promise<void> }> {
    const client = connect(this.#clientOptions())
    const giveUp = (): void => void client.end(true)
    this.#stop.signal.addEventListener('abort', giveUp, { once: true })
    const ended = new Promise<void>(resolve => client.once('close', () => resolve()))
    try {
      await new Promise<void>((resolve, reject) => {
        client.once('connect', () => resolve())
        client.on('error', reject)
        client.once('close', () => reject(new Error('closed before CONNACK')))
        client.connect()
      })
      client.on('message', (topic, payload) => {
        const octets = new Uint8Array(payload)
        for (const callback of this.#messageCallbacks) callback(topic, octets)
      })
      if (this.#filters.size > 0) await client.subscribeAsync([...this.#filters], { qos: 1 })
      this.#client = client
      return { client, ended }
    } catch (error) {
      client.end(true)
      throw error
    } finally {
      this.#stop.signal.removeEventListener('abort', giveUp)
    }
  }

  #clientOptions(): IClientOptions {
    const { broker, clientId, will, keepaliveSeconds = 30, connectTimeoutMs = 15_000 } = this.#options
    const { brokerUrl, ...access } = connectionOptions(broker)
    const url = new URL(brokerUrl)
    const secure = ['mqtts:', 'wss:', 'ssl:'].includes(url.protocol)
    const web = url.protocol.startsWith('ws')
    return {
      ...access,
      // its table of all 65,536 packet numbers takes 7 MB and saves next to nothing at a message a slot
      writeCache: false,
      protocol: web ? (secure ? 'wss' : 'ws') : secure ? 'mqtts' : 'mqtt',
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port) || (web ? (secure ? 443 : 80) : secure ? 8883 : 1883),
      ...(web ? { path: url.pathname } : {}),
      clientId,
      protocolVersion: this.#version,
      clean: false,
      ...(this.#version === 5 ? { properties: { sessionExpiryInterval: SESSION_SECONDS } } : {}),
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: 0,
      resubscribe: false,
      queueQoSZero: false,
      manualConnect: true,
      rejectUnauthorized: true,
      ...(will
        ? { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 1 as const, retain: true } }
        : {})
    }
  }

  #drop(client: MqttClient): void {
    if (this.#client === client) this.#client = undefined
    client.end(true)
    for (const settle of [...this.#unacknowledged]) settle(this.#offline())
  }

  #offline(): UplinkError {
    return new UplinkError('UPLINK_OFFLINE', 'the broker is not connected', {
      at: this.#place(),
      next: 'check the address of the broker, the line and `wattproof status`'
    })
  }

  #place(): string {
    return redactUrl(this.#options.broker.url)
  }
}
