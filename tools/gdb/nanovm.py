"""NanoVM in GDB: C# names for breakpoints and frames, and values that read as what they are.

The compiler (NativeAOT's ilc) writes a method's name into the debug information as ASSEMBLY_NAMESPACE_TYPE__METHOD, with _0, _1
behind it where a type has several of one name: Kernel_NanoVm_Memory_Virtual_MmStruct__FindVma. Here one writes MmStruct.FindVma.

    break MmStruct.HandleMmFault        every method of that type and name; so do tbreak and hbreak
    break HandleMmFault if address.Value == 0    a method of any type, with a condition
    bt                                  frames by their C# names
    maps this                           the areas of an address space: any expression that is an MmStruct
    walk this address                   the page-table entries for an address, in words
    print area.Flags                    flags by name, also where some are groups of others
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


def names_of(kind, number):
    """The flags of an enum that are set, by name: single bits only, since groups of them would hide the bits."""
    known = [(field.name, field.enumval) for field in kind.fields() if field.enumval & (field.enumval - 1) == 0]
    return [name for name, bit in known if bit and number & bit]


class FlagsPrinter:
    """VmFlags and PteFlags: GDB itself gives up where an enum names groups of bits, too."""

    def __init__(self, value):
        self.value = value

    def to_string(self):
        number = int(self.value) & (1 << 64) - 1
        return "0x%x (%s)" % (number, " | ".join(names_of(self.value.type.strip_typedefs(), number)) or "None")


def object_of(expression):
    """What an expression refers to: the compiler's references are C++'s to GDB."""
    value = gdb.parse_and_eval(expression)
    if value.is_optimized_out:
        raise gdb.GdbError("%s is in no register any more here: try another frame (up)" % expression)
    if value.type.code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_PTR):
        value = value.referenced_value()
    return value


class MapsCommand(gdb.Command):
    """maps MM: the areas of an address space, as /proc/PID/maps begins, with all their flags."""

    def __init__(self):
        super().__init__("maps", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        mm = object_of(argument or "this")
        count, area = int(mm["Areas"]["Count"]), mm["Areas"]["First"]
        for _ in range(count):
            area = area.referenced_value()
            flags = names_of(area["Flags"].type.strip_typedefs(), int(area["Flags"]))
            rights = "".join(letter if name in flags else "-" for name, letter in (("Read", "r"), ("Write", "w"), ("Execute", "x")))
            print("%08x-%08x %s%s  %s" % (number_of(area["Start"]), number_of(area["End"]), rights, "s" if "MayShare" in flags else "p", " ".join(flags)))
            area = area["Next"]


class WalkCommand(gdb.Command):
    """walk MM ADDRESS: the page-table entries that the processor reads for a user address, from the top level down."""

    DIRECT_MAP = 0xFFFF888000000000
    FRAME_BITS = 0x000FFFFFFFFFF000
    PRESENT, LEAF = 1, 1 << 7

    def __init__(self):
        super().__init__("walk", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        words = gdb.string_to_argv(argument)
        if len(words) != 2:
            raise gdb.GdbError("walk MM ADDRESS: for instance `walk this address`")
        mm, address = object_of(words[0]), number_of(gdb.parse_and_eval(words[1]))
        flags = gdb.lookup_type("Kernel_NanoVm_Core_PteFlags")
        levels = ["pte", "pmd", "pud", "p4d", "pgd"][: int(mm["System"]["PagingLevels"])]
        if len(levels) == 4:
            levels[3] = "pgd"                               # as slides call the level that CR3 names
        frame = number_of(mm["Root"])
        print("CR3: frame 0x%x" % frame)
        for level in reversed(range(len(levels))):
            index = address >> (12 + 9 * level) & 511
            entry = self.read(self.DIRECT_MAP + (frame << 12) + index * 8)
            frame = (entry & self.FRAME_BITS) >> 12
            print("%s[%d] = %016x" % (levels[level], index, entry), end="")
            if not entry & self.PRESENT:
                print("  empty" if entry == 0 else "  not present")
                return
            print("  frame 0x%x: %s" % (frame, " ".join(names_of(flags, entry & ~self.FRAME_BITS))))
            if level and entry & self.LEAF:
                return

    @staticmethod
    def read(address):
        return int.from_bytes(bytes(gdb.selected_inferior().read_memory(address, 8)), "little")


def printer_for(value):
    kind = value.type.strip_typedefs()
    if kind.code == gdb.TYPE_CODE_ENUM and kind.name in ("Kernel_NanoVm_Memory_Virtual_VmFlags", "Kernel_NanoVm_Core_PteFlags"):
        return FlagsPrinter(value)
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
    MapsCommand()
    WalkCommand()
    gdb.frame_filters[CSharpFrames.name] = CSharpFrames()
    gdb.pretty_printers.append(printer_for)


install()
