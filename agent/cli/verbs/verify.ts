import { readFileSync } from 'node:fs'
import { fromHex } from '../../../proto/bytes.ts'
import { EXIT, UsageError } from '../errors.ts'
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
      about: ['length of a slot, for the times shown', '时段秒数'],
      fallback: '900'
    }
  ],
  async run({ out, lang, signal }, options, args) {
    const file = args[0] as string
    const { verifyEvidence } = await import('../../compose/proofs.ts')
    const result = await verifyEvidence(
      readProof(file),
      {
        rpc: textOption(options, 'rpc'),
        contract: textOption(options, 'contract'),
        gatewayKeyFile: textOption(options, 'gatewayKey'),
        ledgerKeyFile: textOption(options, 'ledgerKey'),
        slotSeconds: Number(textOption(options, 'slotSeconds') ?? '900')
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
    } else out.tell(['DOES NOT HOLD', '不成立'])
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
      { at: file, cause }
    )
  }
  const text = Buffer.from(octets.subarray(0, 4096)).toString('latin1').trim()
  return /^[0-9a-fA-F\s]+$/.test(text) ? fromHex(Buffer.from(octets).toString('latin1')) : octets
}
