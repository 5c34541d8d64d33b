import { readFileSync } from 'node:fs'
import { fromHex } from '../../../proto/bytes.ts'
import { EXIT, UsageError } from '../errors.ts'
import { parseCount } from '../slots.ts'
import { textOption, type Verb } from '../verb.ts'

const MARK = { holds: '✓', fails: '✗', 'not-checked': '-' } as const

export const verifyVerb: Verb = {
  name: 'verify',
  summary: [
    'checks a proof; needs no configuration, and no network unless --rpc',
    '验证证据;无需配置,除 --rpc 外无需联网'
  ],
  args: [{ form: '<file>', about: ['proof file (octets or hex)', '证据文件'] }],
  options: [
    { flags: '--rpc <url>', about: ['chain node to compare the anchor with', '链节点地址,用于比对锚定'] },
    { flags: '--contract <address>', about: ['MeterAnchor contract', 'MeterAnchor 合约地址'] },
    {
      flags: '--gateway-key <file>',
      about: ["the gateway's public key (PEM, or the bundle of keys register)", '网关公钥']
    },
    { flags: '--ledger-key <file>', about: ["the ledger's receipt key (PEM)", '账本回执公钥'] },
    {
      flags: '--slot-seconds <s>',
      about: ['length of a slot, for the times shown; found out when left out', '时段秒数,缺省自动推断']
    }
  ],
  async run({ out, lang, signal }, options, args) {
    const file = args[0] as string
    const slotSeconds = textOption(options, 'slotSeconds')
    const [rpc, contract] = [textOption(options, 'rpc'), textOption(options, 'contract')]
    if ((rpc === undefined) !== (contract === undefined)) {
      throw new UsageError('USAGE_FLAG', '--rpc and --contract belong together', {
        next: 'give the URL of a chain node and the address of the MeterAnchor contract'
      })
    }
    const { verifyEvidence } = await import('../../compose/proofs.ts')
    const result = await verifyEvidence(
      readProof(file),
      {
        rpc,
        contract,
        gatewayKeyFile: textOption(options, 'gatewayKey'),
        ledgerKeyFile: textOption(options, 'ledgerKey'),
        slotSeconds: slotSeconds === undefined ? undefined : parseCount(slotSeconds, '--slot-seconds')
      },
      signal
    )
    out.document({ file, ...result })
    if (result.reading) {
      out.line(`${result.reading.meter}  ${result.reading.slotStart}  v${result.reading.version}`)
      for (const value of result.reading.values)
        out.line(`  ${value.key} = ${value.value ?? '-'} ${value.unit}`.trimEnd())
    }
    for (const finding of result.findings)
      out.line(`${MARK[finding.verdict]} ${finding.check}: ${finding.detail}`)
    const unchecked = result.findings.filter(finding => finding.verdict === 'not-checked').length
    if (result.holds) {
      out.line(
        lang === 'zh'
          ? `成立${unchecked > 0 ? `(${unchecked} 项未检查)` : ''}`
          : `holds${unchecked > 0 ? ` (${unchecked} point(s) not checked)` : ''}`
      )
    } else if (result.findings.some(finding => finding.verdict === 'fails')) {
      out.tell(['DOES NOT HOLD', '不成立'])
      if (result.findings.some(({ check, verdict }) => check === 'form' && verdict === 'fails')) {
        out.tell([
          'This file is no proof, or was damaged on its way (wattproof proof -o FILE makes one): ask for it again.',
          '该文件不是证据,或在传送中受损(wattproof proof -o FILE 生成):请重新索取。'
        ])
      }
    } else {
      out.tell([
        'NOT PROVED: nobody vouches for the anchor yet; give --gateway-key, or --rpc with --contract',
        '未证实:尚无人为锚定作证;请给出 --gateway-key,或 --rpc 与 --contract'
      ])
    }
    return result.holds ? EXIT.done : EXIT.doesNotHold
  }
}

function readProof(file: string): Uint8Array {
  let octets: Uint8Array
  try {
    octets = new Uint8Array(readFileSync(file))
  } catch (cause) {
    throw new UsageError(
      'USAGE_NOT_FOUND',
      `cannot read the proof: ${(cause as NodeJS.ErrnoException).code}`,
      { at: file, next: 'wattproof proof makes one', cause }
    )
  }
  const text = Buffer.from(octets.subarray(0, 4096)).toString('latin1').trim()
  return /^[0-9a-fA-F\s]+$/.test(text) ? fromHex(Buffer.from(octets).toString('latin1')) : octets
}
