namespace NanoVm.Files;

/// <summary>Who polls.</summary>
internal abstract class PollTable
{
}
