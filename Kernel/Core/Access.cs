using System;

namespace NanoVm.Core;

/// <summary>What an access does, or what a page allows.</summary>
[Flags]
internal enum Access : byte
{
    None = 0,
    Read = 1,
    Write = 2,
    Execute = 4,
}
