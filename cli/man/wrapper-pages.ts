/** uipvsadm-save(8) and uipvsadm-restore(8). */

import type { Page, Section } from './roff.ts'

const ENVIRONMENT: Section = {
  title: 'ENVIRONMENT',
  blocks: [{ term: '`UIPVS_SOCKET`', text: 'The control socket of the daemon.' }],
}

export const wrapperPages: readonly Page[] = [
  {
    name: 'uipvsadm-save',
    summary: 'print the virtual services of uipvs as commands that restore them',
    sections: [
      { title: 'SYNOPSIS', blocks: ['`uipvsadm-save` [`-n`] > <file>'] },
      {
        title: 'DESCRIPTION',
        blocks: [
          '`uipvsadm-save` prints on standard output what `uipvsadm -S` does: for each virtual service the options that add it, followed by those that add its real servers. `uipvsadm-restore` reads them, and `ipvsadm-restore` does too.',
          'Timeouts are not saved, nor is anything that passes: connections and counters.',
        ],
      },
      {
        title: 'OPTIONS',
        blocks: [
          {
            term: '`-n`',
            text: 'Addresses and ports as numbers. Without it they go by their names where they have any.',
          },
        ],
      },
      {
        title: 'EXIT STATUS',
        blocks: ['That of `uipvsadm -S`; 1 where another option was given.'],
      },
      ENVIRONMENT,
      { title: 'SEE ALSO', blocks: ['`uipvsadm-restore`(8), `uipvsadm`(8), `uipvs`(8)'] },
    ],
  },
  {
    name: 'uipvsadm-restore',
    summary: 'replace the virtual services of uipvs by those of saved commands',
    sections: [
      { title: 'SYNOPSIS', blocks: ['`uipvsadm-restore` [`-n`] < <file>'] },
      {
        title: 'DESCRIPTION',
        blocks: [
          '`uipvsadm-restore` deletes every virtual service, and then runs the commands on standard input, one a line, as `uipvsadm-save` and `ipvsadm-save` write them. Lines that begin with # are left out. Nothing is deleted before all of the input has been read.',
          'A line that is at fault ends the run; one that the daemon refuses does not. Whoever wants all or nothing uses `uipvs apply`.',
        ],
      },
      {
        title: 'OPTIONS',
        blocks: [
          {
            term: '`-n`',
            text: 'Changes nothing. Unlike the kernel’s program, it does nothing at all when given other arguments.',
          },
        ],
      },
      {
        title: 'EXIT STATUS',
        blocks: ['That of the last line, as with `uipvsadm -R`; 1 where an argument was given.'],
      },
      ENVIRONMENT,
      { title: 'SEE ALSO', blocks: ['`uipvsadm-save`(8), `uipvsadm`(8), `uipvs`(8)'] },
    ],
  },
]
