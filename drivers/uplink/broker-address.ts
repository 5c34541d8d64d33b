import { readFileSync } from 'node:fs'
import type { IClientOptions } from 'mqtt'
import { UplinkError } from './errors.ts'

/** How to reach a broker; files are read at every connect, so that a renewed certificate needs no restart. */
export interface BrokerAddress {
  /** mqtt://host:1883, mqtts://host:8883, ws:// or wss://; user and password may stand in it, a file is better */
  readonly url: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly username?: string
  readonly passwordFile?: string
  /** name the broker's certificate must carry when the URL has an address */
  readonly serverName?: string
}

const SCHEMES = ['mqtt:', 'mqtts:', 'ws:', 'wss:', 'tcp:', 'ssl:']

/** The URL without user and password, for messages. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^\s/@]*@/i, '$1').replace(/[?#].*$/, '')
}

/** @throws UplinkError UPLINK_URL, UPLINK_FILE */
export function connectionOptions(address: BrokerAddress): IClientOptions & { readonly brokerUrl: string } {
  let url: URL
  try {
    url = new URL(address.url)
  } catch {
    throw badUrl(address.url)
  }
  if (!SCHEMES.includes(url.protocol) || url.hostname === '') throw badUrl(address.url)
  const username = address.username ?? (url.username === '' ? undefined : decodeURIComponent(url.username))
  const password =
    address.passwordFile === undefined
      ? decodeURIComponent(url.password)
      : readText(address.passwordFile).replace(/\r?\n$/, '')
  url.username = ''
  url.password = ''
  return {
    brokerUrl: url.href,
    ...(username === undefined ? {} : { username, password }),
    ...(address.ca === undefined ? {} : { ca: readText(address.ca) }),
    ...(address.cert === undefined ? {} : { cert: readText(address.cert) }),
    ...(address.key === undefined ? {} : { key: readText(address.key) }),
    ...(address.serverName === undefined ? {} : { servername: address.serverName })
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new UplinkError('UPLINK_FILE', 'a file named for the broker cannot be read', {
      at: path,
      next: 'check the path and its permissions',
      cause
    })
  }
}

function badUrl(url: string): UplinkError {
  return new UplinkError('UPLINK_URL', 'the broker URL is not one', {
    at: redactUrl(url),
    next: 'write it like mqtts://10.20.0.5:8883'
  })
}
