import ArgumentParser
import Platform

/// The program: commands and wiring, nothing else.
@main
struct Scriptorium: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scriptorium",
        abstract: "Runs other people's scripts as jobs: Node.js, PHP and Python behind an HTTP API, out of PostgreSQL.",
        discussion: """
            Begin with 'scriptorium dev': it starts everything on this machine, with a PostgreSQL of its own and a demo
            tenant, and prints the URL. Then call a script:

                scriptorium invoke hello --data '{"name":"Ada"}'

            For a real installation, run 'scriptorium migrate' once against your PostgreSQL, then any number of
            'scriptorium ingress' and 'scriptorium worker' processes with the same settings.

            \(Settings.help)

            \(ExitStatus.help)

            Completion for your shell: scriptorium --generate-completion-script bash (or zsh, fish); see the README.
            """,
        version: PlatformSettings.version,
        subcommands: [
            DevCommand.self, IngressCommand.self, WorkerCommand.self, MigrateCommand.self, InvokeCommand.self,
            JobsCommand.self, LogsCommand.self, TenantCommand.self, AppCommand.self, DoctorCommand.self,
            FsckCommand.self, BenchCommand.self,
        ])
}
