"""NanoVM in GDB: C# names for breakpoints and frames, and values that read as what they are.

The compiler (NativeAOT's ilc) writes a method's name into the debug information as ASSEMBLY_NAMESPACE_TYPE__METHOD, with _0, _1
behind it where a type has several of one name: Kernel_NanoVm_Memory_Virtual_MmStruct__FindVma. Here one writes MmStruct.FindVma.

    break MmStruct.HandleMmFault        every method of that type and name; so do tbreak and hbreak
    break HandleMmFault if address.Value == 0    a method of any type, with a condition
    bt                                  frames by their C# names
"""

import os
import re

import gdb
from gdb.FrameDecorator import FrameDecorator

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What a mangled name begins with, and the source folder whose subfolders are the namespaces below it.
ASSEMBLIES = (("Kernel_NanoVm_", "Kernel"), ("NanoVm_Runtime_", "Kernel/Runtime"))
CSHARP_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")


def without_namespace(mangled):
    """The type's own name, outer types with a dot: Kernel_NanoVm_Core_Boot_Pvh_StartInfo is Pvh.StartInfo."""
    for prefix, source in ASSEMBLIES:
        if not mangled.startswith(prefix):
            continue
        words = mangled[len(prefix):].split("_")
        folder = os.path.join(REPOSITORY, source)
        while len(words) > 1 and os.path.isdir(os.path.join(folder, words[0])):
            folder = os.path.join(folder, words.pop(0))
        return re.sub(r"\.(\d+)(?=<|\Z)", r"", ".".join(words))
    return mangled


def readable(mangled):
    """A function's name as a C# programmer writes it; a name that is none of the compiler's stays as it is."""
    kind, separator, method = mangled.partition("__")
    if not separator or not mangled.startswith(tuple(prefix for prefix, _ in ASSEMBLIES)):
        return mangled
    method = re.sub(r"_\d+\Z", "", method)
    return without_namespace(kind) + "." + {"_ctor": "constructor", ".ctor": "constructor"}.get(method, method)


def methods_named(name):
    """The mangled names of all methods that a C# name may mean: `Method`, `Type.Method`, with as many namespaces as one likes."""
    *scope, method = name.split(".")
    wanted = re.compile(("(?:^|_)" + "_".join(scope) + r"(?:_\d+(?:<.*>)?)?" if scope else "") + "__" + method + r"(?:_\d+|<.*>)*\Z")
    found = set()
    for line in gdb.execute("info functions -q -n __" + method, to_string=True).splitlines():
        match = re.search(r"([\w<>,.]+__[\w<>,.]+)\s*\(", line)
        if match and wanted.search(match.group(1)):
            found.add(match.group(1))
    return sorted(found)


class BreakCommand(gdb.Command):
    """Sets a breakpoint: a C# name (Type.Method or Method), or any location that GDB knows, and perhaps `if CONDITION`."""

    def __init__(self, name, kind, temporary):
        super().__init__(name, gdb.COMMAND_BREAKPOINTS, gdb.COMPLETE_LOCATION)
        self.kind = kind
        self.temporary = temporary

    def invoke(self, argument, from_tty):
        location, condition = argument.strip(), None
        match = re.match(r"(.*?)\s*(?:^|\s)if\b\s*(.+)", location)
        if match:
            location, condition = match.groups()
        if not location:
            location = "*$pc"
        for place in self.places(location):
            breakpoint = gdb.Breakpoint(place, type=self.kind, temporary=self.temporary)
            if condition:
                breakpoint.condition = condition

    @staticmethod
    def places(location):
        if not CSHARP_NAME.match(location):
            return [location]
        found = methods_named(location)
        if found:
            return found
        if gdb.lookup_global_symbol(location) or "." not in location:
            return [location]
        raise gdb.GdbError("There is no method %s." % location)


class CSharpFrame(FrameDecorator):
    """A frame under its C# name."""

    def function(self):
        name = self.inferior_frame().name()
        return readable(name) if name else super().function()


class CSharpFrames:
    """The frame filter that `bt` goes through."""

    name = "nanovm"
    enabled = True
    priority = 100

    def filter(self, frames):
        return map(CSharpFrame, frames)


class AddressPrinter:
    """VirtAddr, PhysAddr and Pfn: one number in a struct, shown as a hexadecimal number."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        return "0x%x" % int(self.value[self.value.type.fields()[0]])


class RangePrinter:
    """PageRange and its like: start and end, the end outside."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        start, end = (number_of(self.value[field]) for field in self.value.type.fields()[:2])
        return "[0x%x, 0x%x)" % (start, end)


def number_of(value):
    """The number in a struct of one field, however deep."""
    while value.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT:
        value = value[value.type.fields()[0]]
    return int(value)


def printer_for(value):
    kind = value.type.strip_typedefs()
    if kind.code != gdb.TYPE_CODE_STRUCT or not kind.name:
        return None
    name = without_namespace(kind.name)
    if name in ("VirtAddr", "PhysAddr", "Pfn", "PageCount"):
        return AddressPrinter(value)
    if name in ("PageRange", "PhysRange", "VirtRange"):
        return RangePrinter(value)
    return None


def install():
    gdb.execute("set print frame-arguments scalars")
    BreakCommand("break", gdb.BP_BREAKPOINT, False)
    BreakCommand("tbreak", gdb.BP_BREAKPOINT, True)
    BreakCommand("hbreak", gdb.BP_HARDWARE_BREAKPOINT, False)
    gdb.frame_filters[CSharpFrames.name] = CSharpFrames()
    gdb.pretty_printers.append(printer_for)


install()
