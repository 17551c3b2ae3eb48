namespace NanoVm.Files.Pipes;

/// <summary>A pipe or the inside of a FIFO.</summary>
internal sealed class Pipe
{
}
