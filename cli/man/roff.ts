/** Manual pages in roff, the man(7) macros. */

export interface Page {
  readonly name: string
  /** What it is, for the line by which apropos(1) finds it. */
  readonly summary: string
  readonly sections: readonly Section[]
}

export interface Section {
  readonly title: string
  readonly blocks: readonly Block[]
}

/**
 * A paragraph, a term and what it means, lines that stay as they are, or what the following is about. In text and terms, what stands between
 * backquotes is literal (bold), and what stands in angle brackets is for something else (italic).
 */
export type Block =
  | string
  | { readonly term: string; readonly text: string }
  | { readonly lines: readonly string[] }
  | { readonly heading: string }

/** The page's source for section 8. It bears no date, so that it changes only with what it says. */
export const roffOf = ({ name, summary, sections }: Page): string =>
  [
    `.TH ${name.toUpperCase()} 8 "" uipvs "System Administration"`,
    '.SH NAME',
    `${plain(name)} \\- ${markup(summary)}`,
    ...sections.flatMap(({ title, blocks }) => [`.SH ${title}`, ...blocks.flatMap(linesOf)]),
    '',
  ].join('\n')

function linesOf(block: Block, index: number, blocks: readonly Block[]): string[] {
  const before = blocks[index - 1]
  const isFirst = before === undefined || (typeof before === 'object' && 'heading' in before)
  const gap = isFirst ? [] : ['.PP']
  if (typeof block === 'string') return [...gap, paragraph(block)]
  if ('heading' in block) return [`.SS ${markup(block.heading)}`]
  if ('term' in block) return ['.TP', markup(block.term), paragraph(block.text)]
  return [...gap, '.nf', ...block.lines.map(markup), '.fi']
}

/** One sentence a line, as roff likes it. */
const paragraph = (text: string): string =>
  text
    .split(/(?<=[.;:]) (?=[A-Z`<])/)
    .map(markup)
    .join('\n')

const markup = (text: string): string =>
  text
    .split(/(`[^`]*`|<[^>]*>)/)
    .map((part) => {
      if (part.startsWith('`')) return `\\fB${plain(part.slice(1, -1))}\\fR`
      return part.startsWith('<') ? `\\fI${plain(part.slice(1, -1))}\\fR` : plain(part)
    })
    .join('')
    .replace(/^(?=[.'])/, '\\&')

/** Text that means nothing to roff; a hyphen that is typed is not one that is read. */
const plain = (text: string): string =>
  text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll("'", '\\(aq')
