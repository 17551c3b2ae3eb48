using NanoVm.Core;

// IO: delete this file when Files/Devices/DeviceTable.cs and Files/Pipes/Fifo.cs land.
namespace NanoVm.Files.Devices
{
    internal static class DeviceTable
    {
        public static Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags) => Errno.ENXIO;
    }
}

namespace NanoVm.Files.Pipes
{
    internal static class Fifo
    {
        public static Result<OpenFile> Open(TaskFiles who, in PathRef path, OpenFlags flags) => Errno.ENXIO;
    }
}
