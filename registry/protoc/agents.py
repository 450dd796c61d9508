"""One annotated service as an agent."""

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from interchange.v1.annotations_pb2 import AgentOptions

from registry.extensions import extension_faults
from registry.model import Agent, AgentName, SkillId
from registry.modes import mode_faults
from registry.names import AGENT_NAME, DOMAIN, SHOWN_URLS, VERSION, snake_case, words
from registry.protoc.annotations import Note
from registry.protoc.problems import Problems
from registry.protoc.settings import NEWER, agent_settings, is_newer, timeout_fault, unknown_words

TURN, TURN_EVENT = "interchange.v1.Turn", "interchange.v1.TurnEvent"


def agent_name(service: ServiceDescriptor, options: AgentOptions) -> AgentName:
    return AgentName(options.name or snake_case(service.name))


def agent_of(service: ServiceDescriptor, note: Note[AgentOptions], skills: list[SkillId]) -> Agent:
    """The agent a service is."""
    options = note.options
    conversing = [method.name for method in service.methods if converses(method)]
    return Agent(
        name=agent_name(service, options),
        title=options.title or words(agent_name(service, options)),
        description=note.description,
        service=service.full_name,
        skills=tuple(sorted(skills)),
        converse=f"/{service.full_name}/{conversing[0]}" if conversing else "",
        **agent_settings(options),
    )


def converses(method: MethodDescriptor) -> bool:
    """Whether a method is of signature `Turn → stream TurnEvent`."""
    return (
        (method.input_type.full_name, method.output_type.full_name) == (TURN, TURN_EVENT)
        and method.server_streaming
        and not method.client_streaming
    )


def check_agent(service: ServiceDescriptor, note: Note[AgentOptions], problems: Problems) -> None:
    """Report what an agent cannot be called or set to."""
    name = agent_name(service, note.options)
    if not AGENT_NAME.fullmatch(name):
        problems.add(note.at("name"), f'"{name}" is not a name of an agent: 1 to 40 of a-z, 0-9 and _.')
    if sum(map(converses, service.methods)) > 1:
        problems.add(note.place, f"{service.name} has several methods Turn → stream TurnEvent; one is possible.")
    check_agent_settings(service.name, note, problems)


def check_agent_settings(label: str, note: Note[AgentOptions], problems: Problems) -> None:
    """Report settings that cannot be."""
    options = note.options
    if not options.domain:
        problems.add(note.at("domain"), f"{label} has no domain: say who owns it.")
    elif not DOMAIN.fullmatch(options.domain):
        problems.add(note.at("domain"), f'"{options.domain}" is not a domain: 1 to 63 of A-Z, a-z, 0-9, dot, - and _.')
    if options.version and not VERSION.fullmatch(options.version):
        problems.add(note.at("version"), f'"{options.version}" is not a semantic version such as 1.2.0.')
    if fault := timeout_fault(options.turns):
        problems.add(note.at("turns"), fault)
    for field, url in (("icon_url", options.icon_url), ("documentation_url", options.documentation_url)):
        if url and not url.startswith(SHOWN_URLS):
            problems.add(note.at(field), f'{field} "{url}" is not an http or https URL.')
    for fault in extension_faults(agent_settings(options)["extensions"]):
        problems.add(note.at("extensions"), fault)
    for fault in mode_faults(options.input_modes):
        problems.add(note.at("input_modes"), fault)
    if is_newer(options):
        problems.add(note.place, NEWER)
    for field in unknown_words(options):
        problems.add(note.at(field), f"{field} has a value that this version does not know.")
